package dataplane

import (
	"bytes"
	"net/netip"
	"strconv"
	"unsafe"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// drawBody is the body of one draw, or one item of a batch. Its slices alias the request's body, or the scanner's arena.
type drawBody struct {
	campaign []byte // of an item of a batch
	key      []byte // of an item of a batch
	user     []byte // of a help the helper
	owner    []byte // of a help
	event    []byte // of a help
	channel  []byte
	device   []byte
	ip       netip.Addr
	ticket   []byte // nil for none

	attributes    attributes
	expectVersion uint32
	maxPrice      uint32
	times         uint8
	listed        bool
	seen          uint32 // fields that were there, one bit each

	faults int // how many there are in fault, from the front
	fault  [maxFaults]fault
}

// maxFaults is how many faults of one draw are told.
const maxFaults = 4

// field is a member of a draw's body.
type field uint8

const (
	fieldUser field = iota
	fieldTimes
	fieldChannel
	fieldDevice
	fieldIP
	fieldAttributes
	fieldTicket
	fieldExpect
	fieldExpectVersion
	fieldMaxPrice
	fieldCampaign
	fieldKey
	fieldOwner
	fieldHelper
	fieldEvent
	fieldBody    // the body itself
	fieldUnknown // one that does not exist
)

var fieldPointers = [...]string{
	fieldUser: "/user", fieldTimes: "/times", fieldChannel: "/channel", fieldDevice: "/device", fieldIP: "/ip",
	fieldAttributes: "/attributes", fieldTicket: "/ticket", fieldExpect: "/expect", fieldExpectVersion: "/expect/version",
	fieldMaxPrice: "/expect/max_price", fieldCampaign: "/campaign", fieldKey: "/key", fieldOwner: "/owner", fieldHelper: "/helper", fieldEvent: "/event",
	fieldBody: "", fieldUnknown: "",
}

// fault is one thing that is wrong with a body that is sound JSON.
type fault struct {
	field field
	what  what
	name  []byte // of an unknown field
}

// what is wrong with a field. Each has a word for programs and a sentence for people.
type what uint8

const (
	isUnknown what = iota
	isMissing
	isNotObject
	isNotString
	isNotWhole
	isNotList
	isUser
	isPattern
	isTimes
	isChannel
	isIP
	isTicket
	isVersion
	isPrice
	isKey
	isCampaign
	isCount
	isDamaged
	isAttribute
	isFromTicket
	isManyAttributes
	isAsked
	isUntrusted
	isHelpEvent
	isHimself
)

var whats = [...]struct{ code, message string }{
	isUnknown:        {"unknown", "There is no such field."},
	isMissing:        {"required", "The field is needed."},
	isNotObject:      {"type", "It must be an object."},
	isNotString:      {"type", "It must be a string."},
	isNotWhole:       {"type", "It must be a whole number."},
	isNotList:        {"type", "It must be a list."},
	isUser:           {"pattern", "It must be 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ = + -."},
	isPattern:        {"pattern", "The namespace's policy (user_pattern) does not allow it."},
	isTimes:          {"range", "It must be 1 to 10."},
	isChannel:        {"pattern", "It must be 1 to 32 of the characters A-Z a-z 0-9 . _ ~ : @ = + -."},
	isIP:             {"pattern", "It must be an IPv4 or IPv6 address."},
	isTicket:         {"length", "It must be at most 4096 bytes."},
	isVersion:        {"range", "It must be 1 to 4294967295."},
	isPrice:          {"range", "It must be 1 to 4294967295."},
	isKey:            {"pattern", "It must be 1 to 64 visible ASCII characters."},
	isCampaign:       {"pattern", "It must be 1 to 63 of the characters a-z 0-9 -, and not begin with -."},
	isCount:          {"range", "A batch holds 1 to 1000 draws, sub-draws counted."},
	isAttribute:      {"type", "It must be of the type that the campaign declares: a whole number of at most 2^53 either way, a string of at most 64 bytes, or a boolean."},
	isFromTicket:     {"from_ticket", "Only the ticket can say this."},
	isManyAttributes: {"range", "There are more than 16."},
	isAsked:          {"required", "The audience rule or a cap asks for it."},
	isUntrusted:      {"untrusted", "A request without an API key cannot say this: the ticket must."},
	isHelpEvent:      {"pattern", "It must be 1 to 64 visible ASCII characters."},
	isHimself:        {"himself", "Nobody can help himself: it must be another user than the owner."},
	isDamaged:        {"damaged", "The batch is damaged here: see docs/wire.md."},
}

const maxTicketBytes = 4096

// fieldOf returns the field with this name. campaign and key belong to the items of a batch.
func fieldOf(name []byte, item bool) field {
	switch string(name) {
	case "user":
		return fieldUser
	case "times":
		return fieldTimes
	case "channel":
		return fieldChannel
	case "device":
		return fieldDevice
	case "ip":
		return fieldIP
	case "attributes":
		return fieldAttributes
	case "ticket":
		return fieldTicket
	case "expect":
		return fieldExpect
	case "campaign":
		if item {
			return fieldCampaign
		}
	case "key":
		if item {
			return fieldKey
		}
	}
	return fieldUnknown
}

func (d *drawBody) wrong(f field, w what) { d.add(fault{field: f, what: w}) }

func (d *drawBody) add(f fault) {
	if d.faults < maxFaults {
		d.fault[d.faults] = f
		d.faults++
	}
}

// parseDraw reads a body that is one draw. false means that it is not sound JSON; what is wrong within sound JSON is in
// d.fault.
func (s *scanner) parseDraw(d *drawBody) bool {
	d.begin()
	if s.space() != '{' {
		d.wrong(fieldBody, isNotObject)
		return s.skip(1) && s.end()
	}
	return s.drawObject(d, 1, false) && s.end()
}

// begin clears d without touching the memory of its faults.
func (d *drawBody) begin() {
	d.owner, d.event = nil, nil
	d.campaign, d.key, d.user, d.channel, d.device, d.ip, d.ticket = nil, nil, nil, nil, nil, netip.Addr{}, nil
	d.attributes.begin()
	d.expectVersion, d.maxPrice, d.times, d.listed, d.seen, d.faults = 0, 0, 1, false, 0, 0
}

// drawObject reads the object at i, which stands on the level depth. item says that it is one of a batch.
func (s *scanner) drawObject(d *drawBody, depth int, item bool) bool {
	s.i++
	mine := len(s.names)
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			s.names = s.names[:mine]
			if ok {
				d.missing(item)
			}
			return ok
		}
		f := fieldOf(name, item)
		if f == fieldUnknown {
			d.add(fault{field: fieldUnknown, what: isUnknown, name: name})
			if !s.unique(mine, name) || !s.skip(depth+1) {
				return false
			}
			continue
		}
		if d.seen&(1<<f) != 0 {
			return s.fail(whyTwice)
		}
		d.seen |= 1 << f
		if !s.drawField(d, f, depth) {
			return false
		}
	}
}

func (d *drawBody) missing(item bool) {
	if d.seen&(1<<fieldUser) == 0 {
		d.wrong(fieldUser, isMissing)
	}
	if item && d.seen&(1<<fieldCampaign) == 0 {
		d.wrong(fieldCampaign, isMissing)
	}
	if item && d.seen&(1<<fieldKey) == 0 {
		d.wrong(fieldKey, isMissing)
	}
}

// drawField reads the value of a field.
func (s *scanner) drawField(d *drawBody, f field, depth int) (ok bool) {
	switch f {
	case fieldUser:
		d.user, ok = s.text(d, f, isUser, names.Subject, depth)
	case fieldDevice:
		d.device, ok = s.text(d, f, isUser, names.Subject, depth)
	case fieldChannel:
		d.channel, ok = s.text(d, f, isChannel, names.Channel, depth)
	case fieldTicket:
		d.ticket, ok = s.text(d, f, isTicket, isTicketText, depth)
	case fieldCampaign:
		d.campaign, ok = s.text(d, f, isCampaign, names.ID, depth)
	case fieldKey:
		d.key, ok = s.text(d, f, isKey, names.Key, depth)
	case fieldIP:
		var text []byte
		if text, ok = s.text(d, f, isIP, isIPText, depth); text != nil {
			var err error
			if d.ip, err = parseIP(text); err != nil {
				d.wrong(f, isIP)
			}
		}
	case fieldTimes:
		var n int64
		n, ok = s.whole(d, f, isTimes, engine.MaxTimes, depth)
		d.times, d.listed = uint8(n), true
	case fieldExpect:
		return s.expect(d, depth)
	default: // attributes: facts of the first send, for audience rules
		if s.space() != '{' {
			d.wrong(f, isNotObject)
			return s.skip(depth + 1)
		}
		return s.attributes(&d.attributes, depth+1)
	}
	return ok
}

// text reads a string that must satisfy valid; nil when it does not.
func (s *scanner) text(d *drawBody, f field, w what, valid func([]byte) bool, depth int) ([]byte, bool) {
	if s.space() != '"' {
		d.wrong(f, isNotString)
		return nil, s.skip(depth + 1)
	}
	text, ok := s.str()
	if ok && !valid(text) {
		d.wrong(f, w)
		return nil, true
	}
	return text, ok
}

// whole reads a whole number from 1 to limit.
func (s *scanner) whole(d *drawBody, f field, w what, limit int64, depth int) (int64, bool) {
	if c := s.space(); c != '-' && (c < '0' || c > '9') {
		d.wrong(f, isNotWhole)
		return 1, s.skip(depth + 1)
	}
	n, whole, ok := s.number()
	switch {
	case ok && !whole:
		d.wrong(f, isNotWhole)
	case ok && (n < 1 || n > limit):
		d.wrong(f, w)
	default:
		return n, ok
	}
	return 1, ok
}

// expect reads {"version": n, "max_price": n}.
func (s *scanner) expect(d *drawBody, depth int) bool {
	if s.space() != '{' {
		d.wrong(fieldExpect, isNotObject)
		return s.skip(depth + 1)
	}
	s.i++
	mine := len(s.names)
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			s.names = s.names[:mine]
			return ok
		}
		if !s.unique(mine, name) {
			return false
		}
		n := int64(0)
		switch string(name) {
		case "version":
			n, ok = s.whole(d, fieldExpectVersion, isVersion, 1<<32-1, depth+1)
			d.expectVersion = uint32(n)
		case "max_price":
			n, ok = s.whole(d, fieldMaxPrice, isPrice, 1<<32-1, depth+1)
			d.maxPrice = uint32(n)
		default:
			d.add(fault{field: fieldExpect, what: isUnknown, name: name})
			ok = s.skip(depth + 2)
		}
		if !ok {
			return false
		}
	}
}

// code is the code of a draw with faults: that of the first one.
func (d *drawBody) code() problem.Code {
	if d.fault[0].what == isUnknown {
		return problem.UnknownField
	}
	return problem.InvalidField
}

// tell appends the faults of d. prefix points at the draw: empty, or "/draws/17".
func (d *drawBody) tell(errors []render.FieldError, prefix string) []render.FieldError {
	for i := range d.fault[:d.faults] {
		f := &d.fault[i]
		pointer := prefix + fieldPointers[f.field]
		// An unknown name is told only if it can hold nothing but a name.
		if (f.what == isUnknown || f.field == fieldAttributes) && len(f.name) <= maxToldName && isPlainName(f.name) {
			pointer += "/" + string(f.name)
		}
		w := &whats[f.what]
		errors = append(errors, render.FieldError{Pointer: pointer, Code: w.code, Message: w.message})
	}
	return errors
}

// maxToldName bounds how long an unknown name may be to be told back.
const maxToldName = 32

// Classes of characters.
const (
	inName = 1 << iota // of fields
	inHost             // of Host headers: visible ASCII but for what ends or splits an authority
)

var classes = func() (t [256]uint8) {
	for c := range 256 {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if letter || digit || c == '_' || c == '-' {
			t[c] |= inName
		}
		if 0x21 <= c && c <= 0x7e && bytes.IndexByte([]byte(`,@/?#\`), byte(c)) < 0 {
			t[c] |= inHost
		}
	}
	return t
}()

func all(b []byte, class uint8) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

func isTicketText(b []byte) bool { return len(b) <= maxTicketBytes }

func isIPText(b []byte) bool { return len(b) <= maxIPBytes && bytes.IndexByte(b, '%') < 0 }

func isPlainName(b []byte) bool { return len(b) >= 1 && all(b, inName) }

// maxIPBytes is the length of the longest text of an IPv6 address.
const maxIPBytes = 45

// parseIP reads an address. The text satisfies isIPText, so it has no zone.
func parseIP(text []byte) (netip.Addr, error) {
	if len(text) == 0 {
		return netip.Addr{}, strconv.ErrSyntax
	}
	// ParseAddr keeps nothing of an address without a zone; a copy would be an allocation for every draw with an ip.
	return netip.ParseAddr(unsafe.String(unsafe.SliceData(text), len(text)))
}
