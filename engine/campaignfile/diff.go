package campaignfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/drawd/drawd/engine"
)

// Change is one difference between two versions of a campaign, in the words of the file.
type Change struct {
	Subject string `json:"subject"` // "prize phone", "cap day"; empty for the campaign itself
	Field   string `json:"field"`   // "weight", "release/windows"; empty when the subject comes or goes
	Before  string `json:"before"`  // empty for what was not there
	After   string `json:"after"`   // empty for what is not there any more
	Takes   bool   `json:"takes"`   // it takes something from users: publishing must be forced
}

// String returns the change on one line.
func (c Change) String() string {
	var b strings.Builder
	if c.Subject != "" {
		b.WriteString(c.Subject)
		if c.Field != "" {
			b.WriteString(": ")
		}
	}
	switch {
	case c.Field == "" && c.Before == "":
		fmt.Fprintf(&b, " is new: %s", c.After)
	case c.Field == "":
		b.WriteString(" is gone")
	case c.Before == "":
		fmt.Fprintf(&b, "%s becomes %s", c.Field, c.After)
	case c.After == "":
		fmt.Fprintf(&b, "%s is gone (was %s)", c.Field, c.Before)
	default:
		fmt.Fprintf(&b, "%s %s becomes %s", c.Field, c.Before, c.After)
	}
	return b.String()
}

// subjects are the lists of a file whose items have ids, by field: what one item is called.
var subjects = map[string]string{
	"prizes": "prize", "caps": "cap", "pity": "pity", "sessions": "session", "channels": "channel",
	"milestones": "milestone", "overrides": "override",
}

// Changes returns what publishing next in place of live changes: compared are the canonical forms, so what is only
// written in another way is no change.
func Changes(live, next *engine.Version) []Change {
	d := differ{takes: make(map[string]bool)}
	for _, f := range Favourable(live, next) {
		d.takes[f.Pointer] = true
	}
	d.compare("", "", "", decoded(live.Document), decoded(next.Document))
	return d.changes
}

// decoded reads a canonical document; numbers keep their digits.
func decoded(document []byte) any {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic("BUG: a campaign's canonical form cannot be read: " + err.Error())
	}
	return v
}

type differ struct {
	takes   map[string]bool // by pointer in next
	changes []Change
}

// compare walks two values at the same place. pointer is that of next.
func (d *differ) compare(pointer, subject, field string, before, after any) {
	b, was := before.(map[string]any)
	if a, is := after.(map[string]any); was && is {
		for _, key := range keys(b, a) {
			name := key
			if field != "" {
				name = field + "/" + key
			}
			d.compare(pointer+"/"+escape(key), subject, name, b[key], a[key])
		}
		return
	}
	if word := subjects[field]; word != "" && (items(before) != nil || items(after) != nil) {
		d.list(pointer, word, items(before), items(after))
		return
	}
	if c := (Change{Subject: subject, Field: field, Before: shown(before), After: shown(after)}); c.Before != c.After {
		d.add(pointer, c)
	}
}

// add records a change. What is said against a value, against one around it or against its whole item is said against the
// change.
func (d *differ) add(pointer string, c Change) {
	top := 1
	if c.Subject != "" {
		top = 2 // "/caps/0" is the cap, "/caps" all of them
	}
	for p := pointer; strings.Count(p, "/") >= top && !c.Takes; p = p[:strings.LastIndexByte(p, '/')] {
		c.Takes = d.takes[p]
	}
	d.changes = append(d.changes, c)
}

// list compares two lists of items with ids.
func (d *differ) list(pointer, word string, before, after []map[string]any) {
	for _, was := range before {
		if sameID(after, was) < 0 {
			c := Change{Subject: word + " " + shown(was["id"]), Before: shown(was), Takes: d.takes[pointer]}
			d.changes = append(d.changes, c)
		}
	}
	var order []string
	for i, becomes := range after {
		subject, at := word+" "+shown(becomes["id"]), fmt.Sprintf("%s/%d", pointer, i)
		j := sameID(before, becomes)
		if j < 0 {
			d.add(at, Change{Subject: subject, After: shown(becomes)})
			continue
		}
		order = append(order, shown(becomes["id"]))
		d.compare(at, subject, "", before[j], becomes)
	}
	var was []string
	for _, item := range before {
		if sameID(after, item) >= 0 {
			was = append(was, shown(item["id"]))
		}
	}
	if !slices.Equal(was, order) {
		d.changes = append(d.changes, Change{Field: "order of " + word + "s", Before: strings.Join(was, ", "), After: strings.Join(order, ", ")})
	}
}

// sameID returns the index of the item with the same id, or -1.
func sameID(all []map[string]any, item map[string]any) int {
	return slices.IndexFunc(all, func(o map[string]any) bool { return o["id"] == item["id"] })
}

// items returns a list whose items are objects with ids; nil for anything else.
func items(v any) (all []map[string]any) {
	list, _ := v.([]any)
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok || m["id"] == nil {
			return nil
		}
		all = append(all, m)
	}
	return all
}

// keys returns the keys of two maps, sorted; the id of an item is not compared with itself.
func keys(a, b map[string]any) (all []string) {
	for key := range a {
		all = append(all, key)
	}
	for key := range b {
		if _, known := a[key]; !known {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}

// shown writes a value as a file would hold it.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return string(marshal(v))
}
