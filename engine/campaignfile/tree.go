package campaignfile

import (
	"strconv"
	"strings"

	"github.com/drawd/drawd/engine/problem"
)

// kind is what a node is. YAML and JSON meet in these six.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber // as written, in text: nothing is rounded before it is checked
	kindText
	kindList
	kindMap
	kindRefused // its form is a fault already: nothing more is said about it
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "text", "a list", "a mapping", "refused"}[k]
}

// node is a value of the source with its place.
type node struct {
	kind  kind
	text  string // of a boolean, a number or text
	items []*node
	keys  []key // of a map; values stand in items under the same index
	at    place
	// Of text that stands in the source as it is: where it begins, and by how much its later lines are indented. The zero
	// place of text that is written in another way.
	textAt     place
	textIndent int
}

type key struct {
	name string
	at   place
}

// value is a node and its pointer.
type value struct {
	*node
	pointer string
}

func (v value) item(i int) value { return value{v.items[i], v.pointer + "/" + strconv.Itoa(i)} }

// member returns the value of the i-th key.
func (v value) member(i int) value {
	return value{v.items[i], v.pointer + "/" + escape(v.keys[i].name)}
}

// escape writes a key as a JSON pointer's token (RFC 6901 §3).
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// tree collects what reading a source gives: its root and the faults of its form.
type tree struct {
	faults []Fault
}

// fail records a fault of the source's form.
func (t *tree) fail(pointer string, code problem.Code, at place, message string) {
	t.faults = append(t.faults, Fault{Pointer: pointer, Code: code, Message: message, Line: at.line, Column: at.column})
}

// duplicates records a fault for every key of a map that occurs again. Later values would silently win otherwise.
func (t *tree) duplicates(v value) {
	seen := make(map[string]place, len(v.keys))
	for _, k := range v.keys {
		if first, again := seen[k.name]; again {
			t.fail(v.pointer+"/"+escape(k.name), problem.InvalidField, k.at,
				"this key is already given in line "+strconv.Itoa(first.line)+": remove one of the two")
			continue
		}
		seen[k.name] = k.at
	}
}
