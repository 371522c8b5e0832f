package campaignfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/drawd/drawd/engine/problem"
)

// jsonReader walks the tokens of a JSON text and keeps the place of each.
type jsonReader struct {
	*tree
	src    []byte
	dec    *json.Decoder
	cursor int   // places are counted forward from here, so that a file is walked once
	at     place // place of cursor
}

// readJSON reads one JSON value.
func (t *tree) readJSON(src []byte) *node {
	// The decoder's tokens are a little more lenient than its grammar: the grammar is checked first.
	var whole json.RawMessage
	if err := json.Unmarshal(src, &whole); err != nil {
		var syntax *json.SyntaxError
		at := place{1, 1}
		if errors.As(err, &syntax) {
			at = placeAt(src, max(0, int(syntax.Offset)-1))
		}
		t.fail("", problem.BadJSON, at, "this is not valid JSON: "+err.Error())
		return nil
	}
	r := &jsonReader{tree: t, src: src, dec: json.NewDecoder(bytes.NewReader(src)), at: place{1, 1}}
	r.dec.UseNumber()
	tok, at := r.next()
	return r.value(tok, at, "", 0)
}

// next returns the next token and its place.
func (r *jsonReader) next() (json.Token, place) {
	start := int(r.dec.InputOffset())
	for start < len(r.src) && bytes.IndexByte([]byte(" \t\r\n,:"), r.src[start]) >= 0 {
		start++
	}
	tok, err := r.dec.Token()
	if err != nil {
		panic("BUG: JSON that was valid a moment ago: " + err.Error())
	}
	for ; r.cursor < start; r.cursor++ {
		switch b := r.src[r.cursor]; {
		case b == '\n':
			r.at.line, r.at.column = r.at.line+1, 1
		case b&0xC0 != 0x80: // not the continuation of a character
			r.at.column++
		}
	}
	return tok, r.at
}

func (r *jsonReader) value(tok json.Token, at place, pointer string, depth int) *node {
	n := &node{at: at}
	switch tok := tok.(type) {
	case nil:
		n.kind = kindNull
	case bool:
		n.kind, n.text = kindBool, fmt.Sprint(tok)
	case json.Number:
		n.kind, n.text = kindNumber, tok.String()
	case string:
		n.kind, n.text = kindText, tok
	case json.Delim:
		if depth == maxDepth {
			r.fail(pointer, problem.BadJSON, at, fmt.Sprintf("this is nested deeper than %d levels", maxDepth))
			r.skip()
			n.kind = kindRefused
			return n
		}
		if tok == '[' {
			r.list(n, pointer, depth)
		} else {
			r.object(n, pointer, depth)
		}
	}
	return n
}

func (r *jsonReader) list(n *node, pointer string, depth int) {
	n.kind = kindList
	for r.dec.More() {
		tok, at := r.next()
		n.items = append(n.items, r.value(tok, at, fmt.Sprintf("%s/%d", pointer, len(n.items)), depth+1))
	}
	r.next()
}

func (r *jsonReader) object(n *node, pointer string, depth int) {
	n.kind = kindMap
	for r.dec.More() {
		name, at := r.next()
		n.keys = append(n.keys, key{name.(string), at})
		tok, at := r.next()
		n.items = append(n.items, r.value(tok, at, pointer+"/"+escape(name.(string)), depth+1))
	}
	r.next()
	r.duplicates(value{n, pointer})
}

// skip reads on to the end of the list or object that was just opened.
func (r *jsonReader) skip() {
	for open := 1; open > 0; {
		tok, _ := r.next()
		switch tok {
		case json.Delim('['), json.Delim('{'):
			open++
		case json.Delim(']'), json.Delim('}'):
			open--
		}
	}
}
