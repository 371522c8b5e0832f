package campaignfile

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// reader takes typed values out of a tree and records what is wrong with them. Its methods return ok = false after
// they have recorded a fault, so that a check that needs several values runs only when all of them are there.
type reader struct {
	faults   []Fault
	warnings []Fault
	places   map[string]place
}

func (r *reader) fault(v value, format string, args ...any) {
	if v.kind == kindRefused {
		return
	}
	r.add(v.pointer, problem.InvalidField, v.at, format, args...)
}

// warn records what is allowed and probably not meant, under the code of its rule.
func (r *reader) warn(v value, rule, format string, args ...any) {
	r.warnings = append(r.warnings, Fault{Pointer: v.pointer, Rule: rule, Message: fmt.Sprintf(format, args...), Line: v.at.line, Column: v.at.column})
}

func (r *reader) add(pointer string, code problem.Code, at place, format string, args ...any) {
	r.faults = append(r.faults, Fault{Pointer: pointer, Code: code, Message: fmt.Sprintf(format, args...), Line: at.line, Column: at.column})
}

// sorted returns the faults in the order of the source, at most maxFaults of them.
func sorted(faults []Fault) []Fault {
	sort.SliceStable(faults, func(i, j int) bool {
		a, b := faults[i], faults[j]
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
	if len(faults) > maxFaults {
		rest := len(faults) - maxFaults
		faults = append(faults[:maxFaults:maxFaults], Fault{Code: problem.InvalidField, Message: fmt.Sprintf("and %d more faults", rest)})
	}
	return faults
}

// field is one field of an object.
type field struct {
	name     string
	required bool
	read     func(value)
	// later, when set, says that this release does not know the field yet, and what to do instead.
	later string
}

const (
	required = true
	optional = false
)

// object reads the fields of a map and refuses all others.
func (r *reader) object(v value, fields []field) {
	if v.kind != kindMap {
		r.fault(v, "must be a mapping with the fields %s, not %s", names(fields), v.kind)
		return
	}
	given := make(map[string]bool, len(v.keys))
	for i, k := range v.keys {
		m := v.member(i)
		r.places[m.pointer] = m.at
		f := find(fields, k.name)
		switch {
		case given[k.name]: // the tree has its fault already
		case f == nil:
			r.add(m.pointer, problem.UnknownField, k.at, "%q is not a field here; allowed are %s", brief(k.name), names(fields))
		case f.later != "":
			r.add(m.pointer, problem.InvalidField, k.at, "%s is not supported by this release: %s", k.name, f.later)
		default:
			f.read(m)
		}
		given[k.name] = true
	}
	for _, f := range fields {
		if f.required && !given[f.name] {
			r.add(v.pointer+"/"+f.name, problem.InvalidField, v.at, "%s is missing", f.name)
		}
	}
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// names lists the fields of this release.
func names(fields []field) string {
	var all []string
	for _, f := range fields {
		if f.later == "" {
			all = append(all, f.name)
		}
	}
	return strings.Join(all, ", ")
}

// list calls read for every item of a list of at most limit.
func (r *reader) list(v value, limit int, read func(i int, v value)) {
	if v.kind != kindList {
		r.fault(v, "must be a list, not %s", v.kind)
		return
	}
	if len(v.items) > limit {
		r.fault(v, "has %d items; at most %d are allowed", len(v.items), limit)
		return
	}
	for i := range v.items {
		item := v.item(i)
		r.places[item.pointer] = item.at
		read(i, item)
	}
}

// text reads text that is not empty.
func (r *reader) text(v value) (string, bool) {
	switch {
	case v.kind == kindNumber || v.kind == kindBool:
		r.fault(v, "must be text: write it in quotes, %q", v.text)
	case v.kind != kindText:
		r.fault(v, "must be text, not %s", v.kind)
	case v.node.text == "":
		r.fault(v, "must not be empty")
	default:
		return v.node.text, true
	}
	return "", false
}

// plain matches an integer as everybody writes it: no sign plus, leading zero, underscore, base or exponent.
var plain = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// integer reads an integer from lowest to highest.
func (r *reader) integer(v value, lowest, highest int64) (int64, bool) {
	if v.kind == kindNumber && plain.MatchString(v.node.text) {
		n, err := strconv.ParseInt(v.node.text, 10, 64)
		if err == nil && n >= lowest && n <= highest {
			return n, true
		}
		r.fault(v, "must be from %d to %d, not %s", lowest, highest, v.node.text)
		return 0, false
	}
	switch v.kind {
	case kindNumber:
		r.fault(v, "must be an integer in plain decimal digits, from %d to %d, not %s", lowest, highest, v.node.text)
	case kindText:
		r.fault(v, "must be an integer from %d to %d, not the text %q", lowest, highest, brief(v.node.text))
	default:
		r.fault(v, "must be an integer from %d to %d, not %s", lowest, highest, v.kind)
	}
	return 0, false
}

func (r *reader) boolean(v value) bool {
	if v.kind != kindBool {
		r.fault(v, "must be true or false, not %s", v.kind)
		return false
	}
	return v.node.text == "true"
}

// choice reads one of the allowed words. Words of later are named as not supported by this release.
func (r *reader) choice(v value, allowed []string, later ...string) (int, bool) {
	if v.kind == kindText {
		for i, word := range allowed {
			if v.node.text == word {
				return i, true
			}
		}
		for _, word := range later {
			if v.node.text == word {
				r.fault(v, "%s is not supported by this release: use %s", word, anyOf(allowed))
				return 0, false
			}
		}
		r.fault(v, "must be %s, not %q", anyOf(allowed), brief(v.node.text))
		return 0, false
	}
	r.fault(v, "must be %s, not %s", anyOf(allowed), v.kind)
	return 0, false
}

func anyOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// brief cuts a text for a message.
func brief(s string) string {
	if runes := []rune(s); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return s
}

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// id reads the id of a campaign, a prize or a cap.
func (r *reader) id(v value) (string, bool) {
	s, ok := r.text(v)
	if ok && !idPattern.MatchString(s) {
		r.fault(v, "must be 1 to %d characters a-z, 0-9 and -, not beginning with -, not %q", engine.MaxIDBytes, brief(s))
		return "", false
	}
	return s, ok
}

var languagePattern = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)

// title reads {en: …, zh: …}.
func (r *reader) title(v value) map[string]string {
	if v.kind != kindMap {
		r.fault(v, "must be a mapping of languages to text, like {en: Phone}, not %s", v.kind)
		return nil
	}
	if len(v.keys) == 0 || len(v.keys) > maxLanguages {
		r.fault(v, "must have 1 to %d languages", maxLanguages)
		return nil
	}
	title := make(map[string]string, len(v.keys))
	for i, k := range v.keys {
		m := v.member(i)
		if !languagePattern.MatchString(k.name) {
			r.add(m.pointer, problem.InvalidField, k.at, "%q is not a language tag like en, zh or zh-Hant", brief(k.name))
			continue
		}
		s, ok := r.text(m)
		switch {
		case !ok:
		case len(s) > maxTitleBytes:
			r.fault(m, "has %d bytes; at most %d are allowed", len(s), maxTitleBytes)
		case strings.ContainsFunc(s, isControl):
			r.fault(m, "must be one line without control characters")
		default:
			title[k.name] = s
		}
	}
	return title
}

func isControl(c rune) bool {
	return c < 0x20 || c >= 0x7F && c < 0xA0 || c == '\u2028' || c == '\u2029'
}

// The years that a time may stand in: what every part of the program formats and parses without surprises.
const (
	firstYear = 2000
	lastYear  = 2200
)

// instant reads a time.
func (r *reader) instant(v value) (engine.UnixMilli, bool) {
	if v.kind != kindText {
		r.fault(v, "must be a time like 2026-11-11T00:00:00+08:00 (RFC 3339), not %s", v.kind)
		return 0, false
	}
	t, err := time.Parse(time.RFC3339Nano, v.node.text)
	switch {
	case err != nil:
		r.fault(v, "must be a time like 2026-11-11T00:00:00+08:00 (RFC 3339, with the offset), not %q", brief(v.node.text))
	case t.UTC().Year() < firstYear || t.UTC().Year() >= lastYear:
		r.fault(v, "must be a time from the year %d to %d", firstYear, lastYear-1)
	case t.Nanosecond()%1e6 != 0:
		r.fault(v, "must be a time in whole milliseconds")
	default:
		return engine.UnixMilli(t.UnixMilli()), true
	}
	return 0, false
}

// duration reads a duration in ms: whole numbers with units, the largest first, like 90s, 24h, 7d or 1h30m.
func (r *reader) duration(v value, lowest, highest int64) (int64, bool) {
	if v.kind != kindText {
		r.fault(v, "must be a duration like 90s, 24h or 7d, not %s", v.kind)
		return 0, false
	}
	ms, ok := parseDuration(v.node.text)
	switch {
	case !ok:
		r.fault(v, "must be a duration like 90s, 24h or 7d, not %q", brief(v.node.text))
	case ms < lowest || ms > highest:
		r.fault(v, "must be from %s to %s", formatDuration(lowest), formatDuration(highest))
		ok = false
	}
	return ms, ok
}
