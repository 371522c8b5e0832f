package engine

import (
	"fmt"
	"strings"

	"github.com/drawd/drawd/engine/internal/pages"
)

// attributeRows are the counters of the caps that count by an attribute: one row for each value, in one table for all
// attributes of a campaign, under a key that is made of the attribute's name and the value. Like every layout it only
// grows; an attribute keeps its slot for the campaign's life.
type attributeRows struct {
	names  []string // by slot
	layout layout   // a place's id is "<attribute>/<cap>"; all places are of the layout's first scope
	table  *rowTable
}

func (a *attributeRows) slot(name string) int {
	for i := range a.names {
		if a.names[i] == name {
			return i
		}
	}
	return -1
}

// counts returns the name of the attribute that a cap ever counted by, nothing for none.
func (a *attributeRows) counts(capID string) string {
	for i := range a.layout.places {
		if name, id, _ := strings.Cut(a.layout.places[i].ID, "/"); id == capID {
			return name
		}
	}
	return ""
}

// attributeBit marks the number of a place in the layout of attributes, among those of a campaign's life: numbers are
// below MaxCapsEver, so they leave it free.
const attributeBit = 0x40

const _ = uint(attributeBit - MaxCapsEver)

// number returns the number of a cap's place: the same for the campaign's life.
func (c *Campaign) number(x *Cap) uint8 {
	if x.Scope != ScopeAttribute {
		return c.layout.number(x.ID)
	}
	return c.attributes.layout.number(c.attributes.counts(x.ID)+"/"+x.ID) | attributeBit
}

// capAt returns the id of the cap at a place.
func (a *attributeRows) capAt(place int) string {
	if place >= len(a.layout.places) {
		return ""
	}
	_, id, _ := strings.Cut(a.layout.places[place].ID, "/")
	return id
}

func errOtherScope(capID string) error {
	return fmt.Errorf("cap %q counted by something else in an earlier version: give the new rule a new id", capID)
}

// placeAttribute claims the place of a cap that counts by an attribute.
func (x *publication) placeAttribute(v *Version, c *Cap, prize string) error {
	name := v.Audience.Attributes[c.Attribute].Name
	id := name + "/" + c.ID
	if by := x.attributes.counts(c.ID); by != "" && by != name || x.layout.find(c.ID) != nil {
		return errOtherScope(c.ID)
	}
	if err := x.attributes.layout.admit(id, c.Counts, 0, c.Window, prize); err != nil {
		return err
	}
	if x.attributes.slot(name) < 0 {
		if len(x.attributes.names) == MaxAttributeScopes {
			return fmt.Errorf("more than %d attributes that caps count by, over the life of one campaign", MaxAttributeScopes)
		}
		x.attributes.names = append(x.attributes.names, name)
	}
	x.attributes.layout.claim(id, c.Counts, 0, c.Window, prize, c.Limit)
	return nil
}

// clone returns a copy that can grow without a seeing it.
func (a *attributeRows) clone() attributeRows {
	return attributeRows{names: a.names[:len(a.names):len(a.names)], layout: a.layout.clone(), table: a.table}
}

// counter resolves a cap to its place.
func (c *Campaign) counter(v *Version, i int) counter {
	if v.Caps[i].Scope == ScopeAttribute {
		return c.attributes.counter(v, i)
	}
	return newCounter(c.layout.find(v.Caps[i].ID), i, v.Caps[i].Limit)
}

// counter resolves a cap that counts by an attribute to its place.
func (a *attributeRows) counter(v *Version, i int) counter {
	c := &v.Caps[i]
	name := v.Audience.Attributes[c.Attribute].Name
	k := newCounter(a.layout.find(name+"/"+c.ID), i, c.Limit)
	k.scope = ScopeAttribute + Scope(a.slot(name))
	return k
}

// fit makes the table that the layout needs, or widens it.
func (a *attributeRows) fit(c *Campaign) {
	switch width := a.layout.width[0]; {
	case width == 0:
	case a.table == nil:
		a.table = c.world.newRowTable(uint32(c.ref)<<3|tableAttributes, subjectKeyBytes, width)
	default:
		c.world.widen(a.table, width)
	}
}

// complete reports whether every cap of a version that counts by an attribute has its place.
func (a *attributeRows) complete(v *Version) bool {
	for i := range v.Caps {
		if c := &v.Caps[i]; c.Scope == ScopeAttribute {
			name := v.Audience.Attributes[c.Attribute].Name
			if a.slot(name) < 0 || a.layout.find(name+"/"+c.ID) == nil {
				return false
			}
		}
	}
	return true
}

// reopen finds the rows of attributes again after one was added: they are rows of one table, and adding one moves others.
func (t *tx) reopen() {
	for left := t.mine & attributeScopes; left != 0; left &= left - 1 {
		s := &t.campaign[left.first()]
		s.row, _ = s.part.Find((*pages.Key)(s.key))
		s.data = s.part.Mutable(s.row)
	}
}

// attributes appends the section of a campaign's attributes.
func (w *writer) attributeRows(a *attributeCut) {
	if len(a.names) == 0 {
		return
	}
	w.u8(uint8(len(a.names)))
	for _, name := range a.names {
		w.str(name)
	}
	w.layout(&a.layout)
	w.u64(a.rows)
}

// attributeCut is what a capture takes of them.
type attributeCut struct {
	names  []string
	layout layout
	rows   uint64
}

func (a *attributeRows) cut() attributeCut {
	x := attributeCut{names: a.names, layout: a.layout.clone()}
	if a.table != nil {
		x.rows = a.table.rows()
	}
	return x
}

func (r *reader) attributeRows() (a attributeCut) {
	for range r.enum(MaxAttributeScopes + 1) {
		a.names = append(a.names, r.str(MaxAttributeBytes))
	}
	a.layout, a.rows = r.layout(), r.u64()
	r.fail = r.fail || len(a.names) == 0
	return a
}
