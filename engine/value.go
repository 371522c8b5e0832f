package engine

import (
	"strconv"
	"unicode/utf8"
)

// ParseValue reads the value of an attribute where all values are text: in a ticket, in a command.
func ParseValue(t ValueType, text []byte) (v Value, ok bool) {
	switch t {
	case TypeText:
		return Value{Type: t, Text: text}, len(text) <= MaxAttributeText && utf8.Valid(text)
	case TypeBool:
		switch string(text) {
		case "true":
			return Value{Type: t, Int: 1}, true
		case "false":
			return Value{Type: t}, true
		}
		return v, false
	}
	digits := text
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 16 || digits[0] == '0' && len(digits) > 1 {
		return v, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return Value{Type: t, Int: n}, err == nil && n >= -1<<53 && n <= 1<<53
}
