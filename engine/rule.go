package engine

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// An audience rule is published as a program: instructions in postfix order over a stack of values. It has no jumps, no
// loops and no memory, so it ends after its last byte; it is checked before it is published and whenever it is read, so
// evaluating cannot fail; and the meaning of a published rule stays what it was when the compiler of campaign files
// changes. Numbers are on disk: append only.
const (
	ruleInt       = 1  // i64
	ruleText      = 2  // u8 length, bytes
	ruleBool      = 3  // u8, 0 or 1
	ruleAttribute = 4  // u8, its number
	ruleNot       = 5  //
	ruleNegate    = 6  //
	ruleAnd       = 7  //
	ruleOr        = 8  //
	ruleEqual     = 9  // of two of one type
	ruleUnequal   = 10 //
	ruleLess      = 11 // of ints
	ruleAtMost    = 12 //
	ruleMore      = 13 //
	ruleAtLeast   = 14 //
	ruleAdd       = 15 //
	ruleSubtract  = 16 //
	ruleMultiply  = 17 //
	ruleInInts    = 18 // u8 count, i64 each
	ruleInTexts   = 19 // u8 count, each a u8 length and bytes
	ruleContains  = 20 // of texts
	ruleStarts    = 21 //
	ruleEnds      = 22 //
)

// Program builds an audience rule. Calls are in postfix order; Bytes says whether what they made is a rule.
type Program struct{ w writer }

// Int pushes a number.
func (p *Program) Int(n int64) { p.w.u8(ruleInt); p.w.i64(n) }

// Text pushes a text of at most MaxAttributeText bytes.
func (p *Program) Text(s string) { p.w.u8(ruleText); p.short(s) }

// Bool pushes a truth.
func (p *Program) Bool(v bool) { p.w.u8(ruleBool); p.w.flag(v) }

// Attribute pushes the value of the attribute with this number.
func (p *Program) Attribute(i int) { p.w.u8(ruleAttribute); p.w.u8(uint8(i)) }

// InInts replaces a number by whether it is one of the list.
func (p *Program) InInts(list []int64) {
	p.w.u8(ruleInInts)
	p.w.u8(uint8(len(list)))
	for _, n := range list {
		p.w.i64(n)
	}
}

// InTexts replaces a text by whether it is one of the list.
func (p *Program) InTexts(list []string) {
	p.w.u8(ruleInTexts)
	p.w.u8(uint8(len(list)))
	for _, s := range list {
		p.short(s)
	}
}

func (p *Program) short(s string) { p.w.u8(uint8(len(s))); p.w.raw([]byte(s)) }

// ruleOperators are the operators as the language of rules writes them.
var ruleOperators = [...]string{
	ruleNot: "!", ruleNegate: "neg", ruleAnd: "&&", ruleOr: "||", ruleEqual: "==", ruleUnequal: "!=", ruleLess: "<", ruleAtMost: "<=",
	ruleMore: ">", ruleAtLeast: ">=", ruleAdd: "+", ruleSubtract: "-", ruleMultiply: "*",
	ruleContains: "contains", ruleStarts: "startsWith", ruleEnds: "endsWith",
}

// Operator applies an operator to what was pushed last: "!" and "neg" to one value, the others to two. It reports
// whether there is such an operator.
func (p *Program) Operator(name string) bool {
	for o, text := range ruleOperators {
		if text == name && name != "" {
			p.w.u8(uint8(o))
			return true
		}
	}
	return false
}

// Bytes returns the program; ok is false when it is too long, nests too deep, mixes types, or computes with numbers that
// could leave 62 bits.
func (p *Program) Bytes(attributes []Attribute) (program []byte, ok bool) {
	return p.w.b, checkProgram(p.w.b, attributes)
}

// SplitOr takes a rule of the form "left or right" apart; ok is false for a rule of another form.
func SplitOr(program []byte, attributes []Attribute) (left, right []byte, ok bool) {
	if len(program) < 3 || program[len(program)-1] != ruleOr || !checkProgram(program, attributes) {
		return nil, nil, false
	}
	both := program[:len(program)-1]
	for at := 1; at < len(both); at++ {
		if checkProgram(both[:at], attributes) && checkProgram(both[at:], attributes) {
			return both[:at], both[at:], true
		}
	}
	return nil, nil, false
}

// ruleDepth bounds the stack of a rule.
const ruleDepth = 16

// kind is what the check knows of a value: its type, and of an int how many bits its magnitude may have.
type kind struct {
	t    ValueType
	bits uint8
}

// valueBits bounds the magnitude of an attribute's int, and sumBits that of whatever is computed.
const (
	valueBits = 53
	sumBits   = 62
)

// checkProgram reports whether a program is a rule over the attributes: types agree, the stack neither underflows nor
// grows beyond its bound, no number can overflow, and one truth is left.
func checkProgram(program []byte, attributes []Attribute) bool {
	if len(program) == 0 || len(program) > MaxProgramBytes {
		return false
	}
	var stack [ruleDepth]kind
	depth := 0
	r := reader{b: program}
	for len(r.b) > 0 && !r.fail {
		o := r.u8()
		pops, push, ok := r.instruction(o, stack[:depth], attributes)
		if !ok || pops > depth || depth-pops >= ruleDepth {
			return false
		}
		depth -= pops
		stack[depth] = push
		depth++
	}
	return !r.fail && depth == 1 && stack[0].t == TypeBool
}

// instruction reads the operands of an instruction and says what it does to the stack.
func (r *reader) instruction(o uint8, stack []kind, attributes []Attribute) (pops int, push kind, ok bool) {
	var a, b kind // the last one and the one below
	if n := len(stack); n > 0 {
		a = stack[n-1]
		if n > 1 {
			b = stack[n-2]
		}
	}
	truth, text := kind{t: TypeBool}, kind{t: TypeText}
	switch o {
	case ruleInt:
		n := r.i64()
		return 0, kind{TypeInt, uint8(bits.Len64(uint64(max(n, -n))))}, n >= -1<<valueBits && n <= 1<<valueBits
	case ruleText:
		r.shortText()
		return 0, text, true
	case ruleBool:
		r.flag()
		return 0, truth, true
	case ruleAttribute:
		i := int(r.u8())
		if i >= len(attributes) {
			return 0, truth, false
		}
		return 0, kind{attributes[i].Type, valueBits}, true
	case ruleNot:
		return 1, truth, a.t == TypeBool
	case ruleNegate:
		return 1, a, a.t == TypeInt
	case ruleAnd, ruleOr:
		return 2, truth, a.t == TypeBool && b.t == TypeBool
	case ruleEqual, ruleUnequal:
		return 2, truth, a.t != 0 && a.t == b.t
	case ruleLess, ruleAtMost, ruleMore, ruleAtLeast:
		return 2, truth, a.t == TypeInt && b.t == TypeInt
	case ruleAdd, ruleSubtract:
		width := max(a.bits, b.bits) + 1
		return 2, kind{TypeInt, width}, a.t == TypeInt && b.t == TypeInt && width <= sumBits
	case ruleMultiply:
		width := a.bits + b.bits
		return 2, kind{TypeInt, width}, a.t == TypeInt && b.t == TypeInt && width <= sumBits
	case ruleInInts:
		for range r.u8() {
			r.i64()
		}
		return 1, truth, a.t == TypeInt
	case ruleInTexts:
		for range r.u8() {
			r.shortText()
		}
		return 1, truth, a.t == TypeText
	case ruleContains, ruleStarts, ruleEnds:
		return 2, truth, a.t == TypeText && b.t == TypeText
	}
	return 0, truth, false
}

func (r *reader) shortText() []byte {
	n := r.u8()
	if n > MaxAttributeText {
		r.fail = true
	}
	return r.take(int(n))
}

// ruleValue is a value on the stack. One that depends on an attribute that is not there is unknown.
type ruleValue struct {
	known bool
	n     int64 // of an int; of a truth 0 or 1
	text  []byte
}

// Eligible evaluates the rule. What depends on an attribute that is not there is unknown: "unknown || true" is true, and
// an unknown rule is not met. missing is then the number of the first such attribute that the rule asks for, and -1 when
// the rule could be answered. It allocates nothing.
func (a *Audience) Eligible(values *Values) (ok bool, missing int) {
	if len(a.Program) == 0 {
		return true, -1
	}
	var stack [ruleDepth]ruleValue
	depth, first := 0, -1
	r := reader{b: a.Program}
	for len(r.b) > 0 {
		o := r.u8()
		if o <= ruleAttribute {
			stack[depth] = r.operand(o, values, &first)
			depth++
			continue
		}
		if o >= ruleAnd && o != ruleInInts && o != ruleInTexts {
			depth--
			stack[depth-1] = combine(o, &stack[depth-1], &stack[depth])
			continue
		}
		r.change(o, &stack[depth-1])
	}
	if stack[0].known {
		return stack[0].n != 0, -1
	}
	return false, first
}

// operand reads what is pushed.
func (r *reader) operand(o uint8, values *Values, first *int) ruleValue {
	switch o {
	case ruleInt:
		return ruleValue{known: true, n: r.i64()}
	case ruleText:
		return ruleValue{known: true, text: r.shortText()}
	case ruleBool:
		return ruleValue{known: true, n: int64(r.u8())}
	}
	i := int(r.u8())
	v := &values[i]
	if v.Type == 0 {
		if *first < 0 {
			*first = i
		}
		return ruleValue{}
	}
	return ruleValue{known: true, n: v.Int, text: v.Text}
}

// change applies an instruction of one operand.
func (r *reader) change(o uint8, x *ruleValue) {
	found := false
	switch o {
	case ruleNot:
		x.n ^= 1
		return
	case ruleNegate:
		x.n = -x.n
		return
	case ruleInInts:
		for range r.u8() {
			found = r.i64() == x.n || found
		}
	case ruleInTexts:
		for range r.u8() {
			found = bytes.Equal(r.shortText(), x.text) || found
		}
	}
	x.n, x.text = truth(found), nil
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// combine applies an instruction of two operands.
func combine(o uint8, a, b *ruleValue) (x ruleValue) {
	switch o {
	case ruleAnd:
		if a.known && a.n == 0 || b.known && b.n == 0 {
			return ruleValue{known: true}
		}
		return ruleValue{known: a.known && b.known, n: 1}
	case ruleOr:
		if a.known && a.n != 0 || b.known && b.n != 0 {
			return ruleValue{known: true, n: 1}
		}
		return ruleValue{known: a.known && b.known}
	}
	if !a.known || !b.known {
		return ruleValue{}
	}
	x.known = true
	switch o {
	case ruleEqual:
		x.n = truth(a.n == b.n && bytes.Equal(a.text, b.text))
	case ruleUnequal:
		x.n = truth(a.n != b.n || !bytes.Equal(a.text, b.text))
	case ruleLess:
		x.n = truth(a.n < b.n)
	case ruleAtMost:
		x.n = truth(a.n <= b.n)
	case ruleMore:
		x.n = truth(a.n > b.n)
	case ruleAtLeast:
		x.n = truth(a.n >= b.n)
	case ruleAdd:
		x.n = a.n + b.n
	case ruleSubtract:
		x.n = a.n - b.n
	case ruleMultiply:
		x.n = a.n * b.n
	case ruleContains:
		x.n = truth(bytes.Contains(a.text, b.text))
	case ruleStarts:
		x.n = truth(bytes.HasPrefix(a.text, b.text))
	case ruleEnds:
		x.n = truth(bytes.HasSuffix(a.text, b.text))
	}
	return x
}

// appendValues appends the form of an audience's values that is hashed: those that are there, in order, each with its
// name and type.
func (a *Audience) appendValues(dst []byte, values *Values) []byte {
	for i := range a.Attributes {
		v := &values[i]
		if v.Type == 0 {
			continue
		}
		dst = append(dst, byte(len(a.Attributes[i].Name)))
		dst = append(dst, a.Attributes[i].Name...)
		dst = append(dst, byte(v.Type))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v.Int))
		dst = append(dst, byte(len(v.Text)))
		dst = append(dst, v.Text...)
	}
	return dst
}
