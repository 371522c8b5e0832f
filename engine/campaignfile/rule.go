package campaignfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/drawd/drawd/engine"
)

// Audience rules are written in the expression language expr, of which this package takes the parser only. What a rule
// may hold is the list in this file: attributes, constants, comparisons, "in" with a list of constants, contains,
// startsWith, endsWith, and, or, not, + - and *. There is nothing that repeats, calls, divides or matches patterns, and
// there are no floats; so a rule ends, and says the same wherever it is evaluated. It is compiled to a program of the
// engine's, so the meaning of a published rule does not move with the parser.

// Bounds of a rule besides those of the engine.
const (
	maxRuleNodes = 64 // without the items of lists
	maxRuleList  = 64
)

// ruleFault is what is wrong with a rule, at a character of its text.
type ruleFault struct {
	at      int // from 0
	message string
}

// ruleCompiler turns the tree of a rule into a program, in postfix order.
type ruleCompiler struct {
	attributes []engine.Attribute
	used       []bool // of each attribute, whether the rule asks for it
	program    engine.Program
	nodes      int
	faults     []ruleFault
}

// compileRule compiles a rule over the attributes. used says which of them it asks for.
func compileRule(rule string, attributes []engine.Attribute) (program []byte, used []bool, faults []ruleFault) {
	tree, fault := parseRule(rule)
	if fault != nil {
		return nil, nil, []ruleFault{*fault}
	}
	c := ruleCompiler{attributes: attributes, used: make([]bool, len(attributes))}
	if t, ok := c.value(tree); ok && t != engine.TypeBool {
		c.fault(tree, "the rule must be true or false, this is %s", typeOf(t))
	}
	if len(c.faults) > 0 {
		return nil, nil, c.faults
	}
	program, ok := c.program.Bytes(attributes)
	if !ok {
		return nil, nil, []ruleFault{{0, "the rule is too long, nests too deep, or computes with numbers that could leave 62 bits: write it more plainly"}}
	}
	return program, c.used, nil
}

// parseRule reads a rule. The parser is not ours and the rule is not trusted: what it cannot take is a fault.
func parseRule(rule string) (root ast.Node, fault *ruleFault) {
	defer func() {
		if r := recover(); r != nil {
			root, fault = nil, &ruleFault{0, fmt.Sprintf("this rule cannot be read (%v): write it more plainly", r)}
		}
	}()
	tree, err := parser.Parse(rule)
	if err == nil {
		return tree.Node, nil
	}
	var syntax *file.Error
	if errors.As(err, &syntax) {
		return nil, &ruleFault{syntax.From, syntax.Message}
	}
	return nil, &ruleFault{0, err.Error()}
}

func (c *ruleCompiler) fault(n ast.Node, format string, args ...any) {
	c.faults = append(c.faults, ruleFault{n.Location().From, fmt.Sprintf(format, args...)})
}

// typeOf names a type to people.
func typeOf(t engine.ValueType) string {
	return [...]string{"nothing", "a number", "a text", "true or false"}[t]
}

// value compiles whatever gives a value.
func (c *ruleCompiler) value(n ast.Node) (engine.ValueType, bool) {
	if c.nodes++; c.nodes > maxRuleNodes {
		if c.nodes == maxRuleNodes+1 {
			c.fault(n, "the rule has more than %d parts: shorten it, or put values into a list", maxRuleNodes)
		}
		return 0, false
	}
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return c.attribute(n)
	case *ast.IntegerNode, *ast.StringNode:
		return c.constant(n)
	case *ast.BoolNode:
		c.program.Bool(n.Value)
		return engine.TypeBool, true
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	}
	c.fault(n, "%s", refusedNode(n))
	return 0, false
}

// refusedNode says why a part of the language is not for rules.
func refusedNode(n ast.Node) string {
	switch n := n.(type) {
	case *ast.FloatNode:
		return "fractions are not allowed in a rule: numbers are whole"
	case *ast.NilNode:
		return "nil is not allowed in a rule: what depends on an attribute that is not there is not met anyway"
	case *ast.CallNode, *ast.PredicateNode, *ast.PointerNode:
		return "functions are not allowed in a rule"
	case *ast.BuiltinNode:
		return fmt.Sprintf("the function %s is not allowed in a rule: functions, loops and closures are not", brief(n.Name))
	case *ast.ArrayNode:
		return "a list stands only behind in"
	case *ast.ConditionalNode:
		return "conditions with ? are not allowed in a rule: use and, or, not"
	case *ast.MemberNode, *ast.SliceNode, *ast.ChainNode:
		return "an attribute has no parts"
	}
	return "this is not allowed in a rule: use attributes, constants, comparisons, in, contains, startsWith, endsWith, and, or, not, + - *"
}

func (c *ruleCompiler) attribute(n *ast.IdentifierNode) (engine.ValueType, bool) {
	var names []string
	for i, a := range c.attributes {
		if a.Name == n.Value {
			c.used[i] = true
			c.program.Attribute(i)
			return a.Type, true
		}
		names = append(names, a.Name)
	}
	if len(names) == 0 {
		c.fault(n, "there is no attribute %q: declare it under attributes", brief(n.Value))
	} else {
		c.fault(n, "there is no attribute %q; declared are %s", brief(n.Value), strings.Join(names, ", "))
	}
	return 0, false
}

// constant compiles a number or a text.
func (c *ruleCompiler) constant(n ast.Node) (engine.ValueType, bool) {
	number, text, t, ok := c.literal(n)
	switch {
	case !ok:
	case t == engine.TypeInt:
		c.program.Int(number)
	default:
		c.program.Text(text)
	}
	return t, ok
}

// maxRuleInt bounds the numbers of a rule like those of JSON.
const maxRuleInt = 1 << 53

// literal takes a constant apart.
func (c *ruleCompiler) literal(n ast.Node) (number int64, text string, t engine.ValueType, ok bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		if number = int64(n.Value); number > maxRuleInt || number < -maxRuleInt {
			c.fault(n, "a number in a rule is at most %d either way", int64(maxRuleInt))
			return 0, "", 0, false
		}
		return number, "", engine.TypeInt, true
	case *ast.StringNode:
		if len(n.Value) > engine.MaxAttributeText {
			c.fault(n, "a text in a rule has at most %d bytes, as attributes have", engine.MaxAttributeText)
			return 0, "", 0, false
		}
		return 0, n.Value, engine.TypeText, true
	case *ast.UnaryNode:
		if n.Operator == "-" {
			number, _, t, ok = c.literal(n.Node)
			return -number, "", t, ok && t == engine.TypeInt
		}
	}
	c.fault(n, "the items of a list must be constants")
	return 0, "", 0, false
}

func (c *ruleCompiler) unary(n *ast.UnaryNode) (engine.ValueType, bool) {
	t, ok := c.value(n.Node)
	if !ok {
		return 0, false
	}
	switch n.Operator {
	case "!", "not":
		return c.operator(n, "!", t, t == engine.TypeBool, engine.TypeBool, "something true or false")
	case "-":
		return c.operator(n, "neg", t, t == engine.TypeInt, engine.TypeInt, "a number")
	case "+":
		if t == engine.TypeInt {
			return t, true
		}
	}
	c.fault(n, "%s is not allowed in a rule", n.Operator)
	return 0, false
}

// operator emits an operator of one operand.
func (c *ruleCompiler) operator(n ast.Node, name string, t engine.ValueType, fits bool, gives engine.ValueType, wants string) (engine.ValueType, bool) {
	if !fits {
		c.fault(n, "needs %s, this is %s", wants, typeOf(t))
		return 0, false
	}
	c.program.Operator(name)
	return gives, true
}

// sameOperator returns the operator that a word of the language stands for.
func sameOperator(name string) string {
	switch name {
	case "and":
		return "&&"
	case "or":
		return "||"
	}
	return name
}

func (c *ruleCompiler) binary(n *ast.BinaryNode) (engine.ValueType, bool) {
	if n.Operator == "in" {
		return c.in(n)
	}
	name := sameOperator(n.Operator)
	var wants engine.ValueType // of both sides; 0 for two of one type
	gives := engine.TypeBool
	switch name {
	case "&&", "||":
		wants = engine.TypeBool
	case "==", "!=":
	case "<", "<=", ">", ">=":
		wants = engine.TypeInt
	case "+", "-", "*":
		wants, gives = engine.TypeInt, engine.TypeInt
	case "contains", "startsWith", "endsWith":
		wants = engine.TypeText
	case "/", "%", "**", "^":
		c.fault(n, "%s is not allowed in a rule: division and powers are not", n.Operator)
		return 0, false
	case "matches":
		c.fault(n, "matches is not allowed in a rule: use contains, startsWith or endsWith")
		return 0, false
	default:
		c.fault(n, "%s is not allowed in a rule", n.Operator)
		return 0, false
	}
	left, okLeft := c.value(n.Left)
	right, okRight := c.value(n.Right)
	if !okLeft || !okRight {
		return 0, false
	}
	switch {
	case wants != 0 && left != wants:
		c.fault(n.Left, "%s needs %s on both sides, this is %s", n.Operator, typeOf(wants), typeOf(left))
		return 0, false
	case wants != 0 && right != wants:
		c.fault(n.Right, "%s needs %s on both sides, this is %s", n.Operator, typeOf(wants), typeOf(right))
		return 0, false
	case left != right:
		c.fault(n.Right, "%s compares %s with %s: it could never be met", n.Operator, typeOf(left), typeOf(right))
		return 0, false
	}
	c.program.Operator(name)
	return gives, true
}

// in compiles "x in [constants]".
func (c *ruleCompiler) in(n *ast.BinaryNode) (engine.ValueType, bool) {
	t, ok := c.value(n.Left)
	list, isList := n.Right.(*ast.ArrayNode)
	switch {
	case !ok:
		return 0, false
	case !isList:
		c.fault(n.Right, `in needs a list of constants, like ["SH", "BJ"]`)
		return 0, false
	case len(list.Nodes) == 0 || len(list.Nodes) > maxRuleList:
		c.fault(list, "the list has %d items; 1 to %d are allowed", len(list.Nodes), maxRuleList)
		return 0, false
	case t == engine.TypeBool:
		c.fault(n.Left, "in needs a number or a text, this is %s", typeOf(t))
		return 0, false
	}
	var numbers []int64
	var texts []string
	for _, item := range list.Nodes {
		number, text, of, ok := c.literal(item)
		if !ok {
			return 0, false
		}
		if of != t {
			c.fault(item, "the list holds %s, what is looked for is %s", typeOf(of), typeOf(t))
			return 0, false
		}
		numbers, texts = append(numbers, number), append(texts, text)
	}
	if t == engine.TypeInt {
		c.program.InInts(numbers)
	} else {
		c.program.InTexts(texts)
	}
	return engine.TypeBool, true
}
