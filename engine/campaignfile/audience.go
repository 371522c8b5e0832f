package campaignfile

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// audienceEntry is what a file says about who may draw: audience and tickets, as they are read.
type audienceEntry struct {
	engine.Audience
	there      bool // there is something to say
	attributes []value
	used       []bool // of each attribute, by the rule or by a cap

	ruleAt, ticketsAt value
}

var valueTypes = []string{"int", "string", "bool"} // engine.ValueType, less one

var attributeSources = []string{"caller", "ticket"}

// attributeNames: plain words that neither the rule's language nor the scopes of caps have another use for.
var attributeNames = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

var reservedNames = []string{
	"user", "device", "ip", "campaign", "and", "or", "not", "in", "true", "false", "nil", "contains", "matches", "let", "if", "else", "env",
}

func (c *campaign) readAudience(v value) {
	a := &c.audience
	a.there = true
	c.object(v, []field{
		{name: "rule", read: func(v value) {
			text, ok := c.text(v)
			switch {
			case !ok:
			case len(text) > engine.MaxRuleBytes:
				c.fault(v, "has %d bytes; at most %d are allowed", len(text), engine.MaxRuleBytes)
			default:
				a.Rule, a.ruleAt = text, v
			}
		}},
		{name: "attributes", read: c.readAttributes},
		{name: "listed_only", read: func(v value) { a.ListedOnly = c.boolean(v) }},
	})
	if len(v.keys) == 0 && v.kind == kindMap {
		c.fault(v, "must have a rule, attributes or listed_only")
	}
}

func (c *campaign) readAttributes(v value) {
	if v.kind != kindMap {
		c.fault(v, "must be a mapping like {level: {type: int}}, not %s", v.kind)
		return
	}
	if len(v.keys) > engine.MaxAttributes {
		c.fault(v, "has %d attributes; at most %d are allowed", len(v.keys), engine.MaxAttributes)
		return
	}
	for i, k := range v.keys {
		m := v.member(i)
		c.places[m.pointer] = m.at
		x := engine.Attribute{Name: k.name}
		switch {
		case slices.Contains(reservedNames, k.name):
			c.add(m.pointer, problem.InvalidField, k.at, "%s means something else: take another name", k.name)
		case !attributeNames.MatchString(k.name):
			c.add(m.pointer, problem.InvalidField, k.at, "an attribute's name is 1 to 32 characters a-z, 0-9 and _, beginning with a letter, not %q", brief(k.name))
		}
		c.object(m, []field{
			{name: "type", required: required, read: func(v value) {
				t, _ := c.choice(v, valueTypes)
				x.Type = engine.ValueType(t + 1)
			}},
			{name: "from", read: func(v value) {
				from, _ := c.choice(v, attributeSources)
				x.FromTicket = from == 1
			}},
		})
		c.audience.Attributes = append(c.audience.Attributes, x)
		c.audience.attributes = append(c.audience.attributes, m)
	}
}

func (c *campaign) readTickets(v value) {
	a := &c.audience
	a.there, a.Tickets, a.TicketRequired, a.ticketsAt = true, true, true, v
	c.object(v, []field{
		{name: "required", read: func(v value) { a.TicketRequired = c.boolean(v) }},
		{name: "keys", read: func(v value) { c.list(v, engine.MaxTicketKeys, c.readTicketKey) }},
	})
}

var ticketKeyPattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

func (c *campaign) readTicketKey(_ int, v value) {
	if v.kind == kindNumber { // sixteen digits without a letter
		v = value{&node{kind: kindText, text: v.text, at: v.at}, v.pointer}
	}
	text, ok := c.text(v)
	if !ok {
		return
	}
	id, err := strconv.ParseUint(text, 16, 64)
	switch {
	case !ticketKeyPattern.MatchString(text) || err != nil || id == 0:
		c.fault(v, "must be the id of a ticket key: 16 hexadecimal digits, not %q", brief(text))
	case slices.Contains(c.audience.TicketKeys, id):
		c.fault(v, "this key is named twice: remove one of the two")
	default:
		c.audience.TicketKeys = append(c.audience.TicketKeys, id)
	}
}

// sort puts the attributes in the order of their names: files that mean the same are compiled to the same.
func (a *audienceEntry) sort() {
	byName := make(map[string]value, len(a.Attributes))
	for i, x := range a.Attributes {
		byName[x.Name] = a.attributes[i]
	}
	slices.SortFunc(a.Attributes, func(x, y engine.Attribute) int { return strings.Compare(x.Name, y.Name) })
	for i, x := range a.Attributes {
		a.attributes[i] = byName[x.Name]
	}
}

// attribute returns the index of a declared attribute, or -1.
func (c *campaign) attribute(name string) int {
	return slices.IndexFunc(c.audience.Attributes, func(x engine.Attribute) bool { return x.Name == name })
}

// checkAudience compiles the rule, and finds the faults that need more than one value.
func (c *campaign) checkAudience() {
	a := &c.audience
	a.sort()
	a.used = make([]bool, len(a.Attributes))
	for i, x := range a.Attributes {
		if x.FromTicket && !a.Tickets {
			c.fault(a.attributes[i], "attribute %q comes from a ticket, but the campaign takes none: add tickets: {required: true}", x.Name)
		}
	}
	if a.ruleAt.node != nil {
		var faults []ruleFault
		if a.Program, a.used, faults = compileRule(a.Rule, a.Attributes); len(faults) > 0 {
			c.ruleFaults(faults)
			a.used = nil
		}
	}
	c.checkScopes()
	for i := range a.used {
		if !a.used[i] {
			c.warn(a.attributes[i], "unused_attribute", "attribute %q is asked for by no rule and counted by no cap; it goes into the records' digest only", a.Attributes[i].Name)
		}
	}
}

// checkScopes resolves the attributes that caps count by.
func (c *campaign) checkScopes() {
	var counted []string
	for i := range c.caps {
		e := &c.caps[i]
		if e.by == "" {
			continue
		}
		at := c.attribute(e.by)
		if at < 0 {
			c.fault(e.scopeAt, "must be %s or an attribute declared under audience, not %q", anyOf(scopeNames), brief(e.by))
			continue
		}
		e.Attribute = uint8(at)
		if c.audience.used != nil {
			c.audience.used[at] = true
		}
		if !slices.Contains(counted, e.by) {
			counted = append(counted, e.by)
		}
		if len(counted) > engine.MaxAttributeScopes {
			c.fault(e.scopeAt, "caps count by more than %d attributes", engine.MaxAttributeScopes)
		}
	}
}

// ruleFaults gives the faults of the rule their places in the file: exactly where the rule's text stands in it as it is,
// else at its beginning, with the place within the rule in words.
func (c *campaign) ruleFaults(faults []ruleFault) {
	v := c.audience.ruleAt
	for _, f := range faults {
		if v.textAt.line > 0 {
			c.add(v.pointer, problem.InvalidField, v.textAt.within(v.node.text, f.at, v.textIndent), "%s", f.message)
			continue
		}
		at := place{1, 1}.within(v.node.text, f.at, 0)
		c.fault(v, "line %d, column %d of the rule: %s", at.line, at.column, f.message)
	}
}

// within returns the place of the n-th character of a text that begins at p and whose later lines are indented.
func (p place) within(text string, n, indent int) place {
	for _, r := range text {
		if n == 0 {
			break
		}
		n--
		p.column++
		if r == '\n' {
			p.line, p.column = p.line+1, indent+1
		}
	}
	return p
}

// compileAudience fills in the version's audience; nothing when everybody may draw and no prize is marked.
func (c *campaign) compileAudience() {
	a := c.audience.Audience
	for i := range c.prizes {
		if c.prizes[i].valuable {
			a.Valuable = append(a.Valuable, int16(i))
		}
	}
	if c.audience.there || len(a.Valuable) > 0 {
		c.version.Audience = &a
	}
}

type audienceDocument struct {
	Rule       string                       `json:"rule,omitempty"`
	Attributes map[string]attributeDocument `json:"attributes,omitempty"`
	ListedOnly bool                         `json:"listed_only,omitempty"`
}

type attributeDocument struct {
	Type string `json:"type"`
	From string `json:"from,omitempty"`
}

type ticketsDocument struct {
	Required bool     `json:"required"`
	Keys     []string `json:"keys,omitempty"`
}

func audienceForm(a *engine.Audience) *audienceDocument {
	if a == nil || a.Rule == "" && len(a.Attributes) == 0 && !a.ListedOnly {
		return nil
	}
	d := &audienceDocument{Rule: a.Rule, ListedOnly: a.ListedOnly, Attributes: make(map[string]attributeDocument, len(a.Attributes))}
	for _, x := range a.Attributes {
		from := ""
		if x.FromTicket {
			from = attributeSources[1]
		}
		d.Attributes[x.Name] = attributeDocument{x.Type.String(), from}
	}
	return d
}

func ticketsForm(a *engine.Audience) *ticketsDocument {
	if a == nil || !a.Tickets {
		return nil
	}
	d := &ticketsDocument{Required: a.TicketRequired}
	for _, id := range a.TicketKeys {
		text := strconv.FormatUint(id, 16)
		d.Keys = append(d.Keys, "0000000000000000"[len(text):]+text)
	}
	return d
}

// audienceSize bounds what an audience takes in a command.
func audienceSize(a *engine.Audience) int {
	if a == nil {
		return 0
	}
	const fixed, perAttribute, perKey, perPrize = 64, 64, 8, 2
	return fixed + len(a.Rule) + len(a.Program) + len(a.Attributes)*perAttribute + len(a.TicketKeys)*perKey + len(a.Valuable)*perPrize
}

// worseAudience reports whom next keeps out that live lets in.
func worseAudience(live, next *engine.Version, take func(string, string, ...any)) {
	was, is := live.Audience, next.Audience
	if was == nil {
		was = &engine.Audience{}
	}
	if is == nil {
		is = &engine.Audience{}
	}
	if len(is.Program) > 0 && !includes(is, was) {
		take("/audience/rule", "is another rule: unless it is the live one, or that with \"|| …\" added, nobody can tell whether everybody stays eligible")
	}
	if is.ListedOnly && !was.ListedOnly {
		take("/audience/listed_only", "was false: users on no list would be kept out")
	}
	if is.TicketRequired && !was.TicketRequired {
		take("/tickets/required", "was false: draws without a ticket would be refused")
	}
	if was.Tickets && !is.Tickets {
		take("/tickets", "were taken: attributes from tickets would be unknown")
	}
	if is.Tickets && was.Tickets && len(is.TicketKeys) > 0 {
		for _, id := range was.TicketKeys {
			if !slices.Contains(is.TicketKeys, id) {
				take("/tickets/keys", "key %016x is missing: its tickets would be refused", id)
			}
		}
		if len(was.TicketKeys) == 0 {
			take("/tickets/keys", "every key of the namespace was taken")
		}
	}
}

// includes reports whether the rule of is lets in everybody whom the rule of was let in, as far as its form shows: it
// is the same, or the same joined with others by "or".
func includes(is, was *engine.Audience) bool {
	if len(was.Program) == 0 {
		return false
	}
	for _, x := range was.Attributes {
		if !slices.Contains(is.Attributes, x) {
			return false
		}
	}
	if is.Rule == was.Rule {
		return true // other attributes may have moved its numbers
	}
	return slices.Equal(is.Attributes, was.Attributes) && alternatives(is.Program, was.Program, is.Attributes)
}

func alternatives(program, was []byte, attributes []engine.Attribute) bool {
	if bytes.Equal(program, was) {
		return true
	}
	left, right, ok := engine.SplitOr(program, attributes)
	return ok && (alternatives(left, was, attributes) || alternatives(right, was, attributes))
}
