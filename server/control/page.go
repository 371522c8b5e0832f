package control

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// Bounds of a page of a list.
const (
	defaultPage = 100
	maxPage     = 1000
)

// list is a page of a list.
type list[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// page cuts a sorted list: what comes after a name, up to a limit. A cursor is the last name of the page before, so that a
// page goes on at the right place although items came and went.
type page struct {
	after string
	limit int
	taken int
	last  string
	more  bool
}

// take reports whether the item with this name is on the page. Names come in ascending order.
func (p *page) take(name string) bool {
	if name <= p.after {
		return false
	}
	if p.taken == p.limit {
		p.more = true
		return false
	}
	p.taken++
	p.last = name
	return true
}

// next returns the cursor of the page behind this one, empty when there is none.
func (p *page) next() string {
	if !p.more {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(p.last))
}

// page reads limit and cursor, and refuses every other parameter.
func (x *exchange) page() (*page, *render.Problem) {
	q, refused := x.query("limit", "cursor")
	if refused != nil {
		return nil, refused
	}
	limit := q.number("limit", defaultPage, 1, maxPage)
	after, err := base64.RawURLEncoding.DecodeString(q.values.Get("cursor"))
	if err != nil {
		q.fault("cursor", "pattern", "is not a cursor that this list gave")
	}
	if refused := q.refusal(); refused != nil {
		return nil, refused
	}
	return &page{after: string(after), limit: int(limit)}, nil
}

// noQuery refuses any parameter.
func (x *exchange) noQuery() *render.Problem {
	q, refused := x.query()
	if refused != nil {
		return refused
	}
	return q.refusal()
}

// query is the parameters behind the question mark.
type query struct {
	values url.Values
	faults []render.FieldError
}

// query reads the parameters; each may be given once, and none but the known ones.
func (x *exchange) query(known ...string) (*query, *render.Problem) {
	_, raw, _ := strings.Cut(x.request.RequestURI, "?")
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, refusal(problem.BadFraming, "The query cannot be read.")
	}
	q := &query{values: values}
	allowed := map[string]bool{}
	for _, name := range known {
		allowed[name] = true
	}
	for name, all := range values {
		switch {
		case !allowed[name]:
			detail := "No query parameter is known here."
			if len(known) > 0 {
				detail = "A query parameter is not known here; known are " + strings.Join(known, ", ") + "."
			}
			return nil, refusal(problem.UnknownField, detail)
		case len(all) > 1:
			q.fault(name, "range", "may be given once")
		}
	}
	return q, nil
}

// fault notes what is wrong with a parameter. Its pointer is the parameter's name.
func (q *query) fault(name, code, message string) {
	q.faults = append(q.faults, render.FieldError{Pointer: "?" + name, Code: code, Message: name + " " + message})
}

// number returns an integer parameter from least to most.
func (q *query) number(name string, otherwise, least, most int64) int64 {
	text := q.values.Get(name)
	if !q.values.Has(name) {
		return otherwise
	}
	n := int64(0)
	for _, c := range []byte(text) {
		if c < '0' || c > '9' || n > most {
			n = -1
			break
		}
		n = n*10 + int64(c-'0')
	}
	if text == "" || n < least || n > most {
		q.fault(name, "range", "must be an integer from "+itoa(int(least))+" to "+itoa(int(most)))
		return otherwise
	}
	return n
}

// refusal returns what was wrong, or nil.
func (q *query) refusal() *render.Problem {
	if len(q.faults) == 0 {
		return nil
	}
	return &render.Problem{Code: problem.InvalidField, Errors: q.faults}
}
