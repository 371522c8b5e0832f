package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxDepth bounds how deep a JSON body may be nested.
const maxDepth = 16

// object is a JSON object. Values are object, []any, string, json.Number, bool or nil.
type object map[string]any

// Faults of a JSON text. They never repeat what was sent.
var (
	errUTF8     = errors.New("the body is not UTF-8")
	errEmpty    = errors.New("the body is empty")
	errDepth    = fmt.Errorf("the body is nested deeper than %d", maxDepth)
	errTrailing = errors.New("something follows the JSON value")
)

// parseJSON reads exactly one JSON value. Unlike encoding/json it takes no duplicate members, no invalid UTF-8, nothing
// behind the value and no deep nesting: two programs must not read one body in two ways.
func parseJSON(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, errUTF8
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, errEmpty
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	v, err := parseValue(dec, 0)
	if err == nil {
		if _, end := dec.Token(); end == io.EOF { //nolint:errorlint // the decoder returns it bare
			return v, nil
		}
		return nil, errTrailing
	}
	if errors.Is(err, errDepth) || errors.As(err, new(duplicate)) {
		return nil, err
	}
	return nil, fmt.Errorf("the body is not JSON from byte %d on", dec.InputOffset())
}

// duplicate is the fault of an object that names a member twice.
type duplicate struct{ at int64 }

// Error tells where.
func (d duplicate) Error() string {
	return fmt.Sprintf("an object names a member twice, before byte %d", d.at)
}

func parseValue(dec *json.Decoder, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth++; depth > maxDepth {
		return nil, errDepth
	}
	if delim == '[' {
		return parseArray(dec, depth)
	}
	o := object{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		text, ok := name.(string)
		if !ok {
			return nil, io.ErrUnexpectedEOF
		}
		if _, twice := o[text]; twice {
			return nil, duplicate{dec.InputOffset()}
		}
		if o[text], err = parseValue(dec, depth); err != nil {
			return nil, err
		}
	}
	_, err = dec.Token() // the closing brace
	return o, err
}

func parseArray(dec *json.Decoder, depth int) (any, error) {
	list := []any{}
	for dec.More() {
		v, err := parseValue(dec, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := dec.Token() // the closing bracket
	return list, err
}
