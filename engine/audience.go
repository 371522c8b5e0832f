package engine

import "encoding/binary"

// Audience is who may draw: what a version asks of a user before his draw is decided. The rule is evaluated where the
// request arrives, and the draw carries what it said (Stamp); the engine trusts that for the version it names and for no
// other. Nil in a version that lets everybody draw.
type Audience struct {
	Attributes []Attribute
	Rule       string // as it was written; for people
	Program    []byte // what is evaluated: the rule, compiled (rule.go); empty for no rule
	ListedOnly bool   // only users of an allow list may draw

	Tickets        bool     // signed tickets are taken
	TicketRequired bool     // no draw without one
	TicketKeys     []uint64 // ids of the keys that may sign; empty for every key of the namespace

	Valuable []int16 // ordinals of the prizes that a restricted user cannot win, ascending; empty for all of them
}

// Attribute is a fact about a user or a request that the rule and the caps may ask for.
type Attribute struct {
	Name       string
	Type       ValueType
	FromTicket bool // only a ticket can say it; else the caller says it in the body
}

// ValueType is the type of an attribute. Numbers are on disk.
type ValueType uint8

// The types. The zero ValueType is that of a value that is not there.
const (
	TypeInt ValueType = 1 + iota
	TypeText
	TypeBool
	valueTypes
)

// String returns the wire name of t.
func (t ValueType) String() string { return [...]string{"none", "int", "string", "bool"}[t] }

// Value is the value of an attribute. The zero Value is one that is not there.
type Value struct {
	Type ValueType
	Int  int64  // of TypeInt, at most 2^53 either way; of TypeBool 0 or 1
	Text []byte // of TypeText
}

// Values are the values of a version's attributes, in its order.
type Values [MaxAttributes]Value

// stamped reports whether a draw must carry a stamp.
func (a *Audience) stamped() bool {
	return a != nil && (len(a.Attributes) > 0 || len(a.Program) > 0 || a.Tickets)
}

func (a *Audience) validate(v *Version) error {
	if a == nil {
		return v.validateScopes()
	}
	if len(a.Attributes) > MaxAttributes || len(a.Rule) > MaxRuleBytes || len(a.TicketKeys) > MaxTicketKeys {
		return invalid("number of attributes or ticket keys, or length of the rule")
	}
	for i := range a.Attributes {
		x := &a.Attributes[i]
		if !validAttribute(x.Name) || x.Type == 0 || x.Type >= valueTypes || x.FromTicket && !a.Tickets {
			return invalid("attribute " + x.Name)
		}
		for j := range i {
			if a.Attributes[j].Name == x.Name {
				return invalid("attribute twice: " + x.Name)
			}
		}
	}
	if len(a.Program) > 0 && !checkProgram(a.Program, a.Attributes) {
		return invalid("rule")
	}
	if (len(a.Program) == 0) != (a.Rule == "") || !a.Tickets && (a.TicketRequired || len(a.TicketKeys) > 0) {
		return invalid("rule or tickets")
	}
	for i, p := range a.Valuable {
		if int(p) >= len(v.Prizes) || p < 0 || i > 0 && p <= a.Valuable[i-1] {
			return invalid("valuable prizes")
		}
	}
	return v.validateScopes()
}

// validateScopes holds the caps that count by an attribute against the attributes.
func (v *Version) validateScopes() error {
	var names []string
	for i := range v.Caps {
		c := &v.Caps[i]
		if c.Scope != ScopeAttribute {
			continue
		}
		if v.Audience == nil || int(c.Attribute) >= len(v.Audience.Attributes) {
			return invalid("attribute of cap " + c.ID)
		}
		names = append(names, v.Audience.Attributes[c.Attribute].Name)
	}
	if distinct(names) > MaxAttributeScopes {
		return invalid("number of attributes that caps count by")
	}
	return nil
}

func distinct(names []string) (n int) {
	for i := range names {
		n++
		for j := range i {
			if names[j] == names[i] {
				n--
				break
			}
		}
	}
	return n
}

// ScopeName returns whose counter a cap of v moves, as files write it: user, device, ip, or the name of an attribute.
func (v *Version) ScopeName(c *Cap) string {
	if c.Scope != ScopeAttribute {
		return c.Scope.String()
	}
	return v.Audience.Attributes[c.Attribute].Name
}

// Spares reports whether a user who is restricted cannot win the i-th prize.
func (v *Version) Spares(i int) bool {
	if v.Audience == nil || len(v.Audience.Valuable) == 0 {
		return true
	}
	for _, p := range v.Audience.Valuable {
		if int(p) == i {
			return true
		}
	}
	return false
}

// validAttribute reports whether s is [a-z][a-z0-9_]{0,31}.
func validAttribute(s string) bool {
	if len(s) == 0 || len(s) > MaxAttributeBytes || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// audience appends the section of a version's audience.
func (w *writer) audience(v *Version) {
	a := v.Audience
	if a == nil {
		return
	}
	w.u8(uint8(len(a.Attributes)))
	for i := range a.Attributes {
		x := &a.Attributes[i]
		w.str(x.Name)
		w.u8(uint8(x.Type))
		w.flag(x.FromTicket)
	}
	w.str(a.Rule)
	w.bytes(a.Program)
	w.flag(a.ListedOnly)
	w.flag(a.Tickets)
	w.flag(a.TicketRequired)
	w.u8(uint8(len(a.TicketKeys)))
	for _, id := range a.TicketKeys {
		w.u64(id)
	}
	w.u16(uint16(len(a.Valuable)))
	for _, p := range a.Valuable {
		w.u16(uint16(p))
	}
	for i := range v.Caps { // of each cap that counts by an attribute, by which: in the order of the caps
		if v.Caps[i].Scope == ScopeAttribute {
			w.u8(v.Caps[i].Attribute)
		}
	}
}

func (r *reader) audience(v *Version) *Audience {
	a := &Audience{}
	for range r.enum(MaxAttributes + 1) {
		a.Attributes = append(a.Attributes, Attribute{r.str(MaxAttributeBytes), ValueType(r.enum(uint8(valueTypes))), r.flag()})
	}
	a.Rule = r.str(MaxRuleBytes)
	a.Program = clone(r.bytes(MaxProgramBytes))
	a.ListedOnly, a.Tickets, a.TicketRequired = r.flag(), r.flag(), r.flag()
	for range r.enum(MaxTicketKeys + 1) {
		a.TicketKeys = append(a.TicketKeys, r.u64())
	}
	for n := r.u16(); n > 0 && !r.fail; n-- {
		a.Valuable = append(a.Valuable, int16(r.u16()))
	}
	for i := range v.Caps {
		if v.Caps[i].Scope == ScopeAttribute {
			v.Caps[i].Attribute = r.u8()
		}
	}
	return a
}

// compileAudience makes the parts of a plan that are about who draws.
func (p *plan) compileAudience(c *Campaign) {
	a := p.version.Audience
	p.audience, p.stamped = a, a.stamped()
	for i := range p.slots {
		p.slots[i] = -1
	}
	if a == nil {
		return
	}
	for i := range a.Attributes {
		if slot := c.attributes.slot(a.Attributes[i].Name); slot >= 0 && p.counts(ScopeAttribute+Scope(slot)) {
			p.slots[i] = int8(slot)
		}
	}
	p.sparing = len(a.Valuable) > 0
	for _, i := range a.Valuable {
		p.prizes[i].valuable = true
	}
}

// counts reports whether some cap of the version, on draws or on helps, counts by a scope.
func (p *plan) counts(s Scope) bool {
	return p.rows&setOf(s) != 0 || p.helps != nil && p.helps.rows&setOf(s) != 0
}

// spares reports whether a restricted user cannot win a prize: the valuable ones, or any where the version names none.
func (p *plan) spares(prize int) bool { return !p.sparing || p.prizes[prize].valuable }

// auditSize is the size of a draw record's section about who drew.
const auditBytes = 1 + 8 + 8 + 8

// Flags of that section.
const (
	auditStamped    = 1 << 0
	auditTicket     = 1 << 1
	auditLists      = 1 << 2
	auditAllowed    = 1 << 3
	auditRestricted = 1 << 4
)

// Audit is what a draw's record tells about who drew. Digests tell nothing to whom does not know what went in.
type Audit struct {
	Stamped    bool   // a stamp decided
	Attributes uint64 // Keyer.Attributes of what was known
	Ticket     uint64 // id of the key that signed the ticket; 0 for none
	Listed     bool   // there were lists
	Lists      uint64 // digest of the namespace's and the campaign's lists as they were
	Allowed    bool   // the user stood on an allow list
	Restricted bool   // the user was denied valuable prizes
}

// audit appends the section of the record of the draw in hand, when there is anything to tell.
func (t *tx) audit(d *Draw, c *Campaign) {
	if !t.plan.stamped && !t.listed.any {
		return
	}
	var b [2 + auditBytes]byte
	b[0], b[1] = recordAudience, auditBytes
	x := b[2:]
	if t.plan.stamped {
		x[0] |= auditStamped
		binary.LittleEndian.PutUint64(x[1:], d.Stamp.Digest)
		if t.plan.audience.Tickets && d.Ticket.Key != 0 {
			x[0] |= auditTicket
			binary.LittleEndian.PutUint64(x[9:], d.Ticket.Key)
		}
	}
	if t.listed.any {
		x[0] |= auditLists
		binary.LittleEndian.PutUint64(x[17:], digests(&c.namespace.lists, &c.lists))
		if t.listed.allowed {
			x[0] |= auditAllowed
		}
		if t.listed.restricted {
			x[0] |= auditRestricted
		}
	}
	t.more = append(t.more, b[:]...)
}

// Audit returns what the record of a draw tells about who drew; ok is false when it tells nothing.
func (r *Record) Audit() (a Audit, ok bool) {
	for b := r.Sections; len(b) > 0; {
		tag, x, rest, sound := nextSection(b)
		if !sound {
			return a, false
		}
		if tag == recordAudience && len(x) == auditBytes {
			flags := x[0]
			return Audit{
				Stamped: flags&auditStamped != 0, Attributes: binary.LittleEndian.Uint64(x[1:]), Ticket: binary.LittleEndian.Uint64(x[9:]),
				Listed: flags&auditLists != 0, Lists: binary.LittleEndian.Uint64(x[17:]),
				Allowed: flags&auditAllowed != 0, Restricted: flags&auditRestricted != 0,
			}, true
		}
		b = rest
	}
	return a, false
}
