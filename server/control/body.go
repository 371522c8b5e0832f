package control

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// readBody reads the whole body, of one of the media types. kind is the one it has.
func (x *exchange) readBody(kinds ...string) (body []byte, kind string, refused *render.Problem) {
	kind, refused = x.contentType(kinds)
	if refused != nil {
		return nil, "", refused
	}
	body, err := io.ReadAll(http.MaxBytesReader(x.ResponseWriter, x.request.Body, MaxBodyBytes))
	x.answerWithin(answerTime) // the body may have taken as long to come as an answer may take to go
	if err == nil {
		return body, kind, nil
	}
	x.Header().Set("Connection", "close")
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, "", refusal(problem.BodyTooLarge, "At most 1 MiB.")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, "", refusal(problem.RequestTimeout, "")
	}
	return nil, "", refusal(problem.BadFraming, "The body is shorter than its Content-Length.")
}

// contentType checks the body's type. Only UTF-8 is taken.
func (x *exchange) contentType(kinds []string) (string, *render.Problem) {
	values := x.request.Header.Values("Content-Type")
	if len(values) == 1 {
		kind, params, err := mime.ParseMediaType(values[0])
		charset := params["charset"]
		delete(params, "charset")
		for _, k := range kinds {
			if err == nil && kind == k && (charset == "" || strings.EqualFold(charset, "utf-8")) && len(params) == 0 {
				return k, nil
			}
		}
	}
	return "", refusal(problem.UnsupportedMediaType, "The body must be "+strings.Join(kinds, " or ")+", in UTF-8.")
}

// fields reads a JSON object from the body.
func (x *exchange) fields() (*fields, *render.Problem) {
	body, _, refused := x.readBody(typeJSON)
	if refused != nil {
		return nil, refused
	}
	v, err := parseJSON(body)
	if err != nil {
		return nil, refusal(problem.BadJSON, err.Error())
	}
	o, ok := v.(object)
	if !ok {
		return nil, invalid("", "type", "The body must be an object.")
	}
	return newFields(o), nil
}

// readFile reads a campaign file or a policy. As JSON it must be sound JSON: what YAML would forgive is refused.
func (x *exchange) readFile() (source []byte, kind string, refused *render.Problem) {
	source, kind, refused = x.readBody(typeYAML, typeJSON)
	if refused == nil && kind == typeJSON {
		if _, err := parseJSON(source); err != nil {
			return nil, "", refusal(problem.BadJSON, err.Error())
		}
	}
	return source, kind, refused
}

// noBody refuses a body where none is taken.
func (x *exchange) noBody() *render.Problem {
	if x.request.ContentLength != 0 {
		x.Header().Set("Connection", "close")
		return refusal(problem.BadFraming, "This request has no body.")
	}
	return nil
}

// invalid is the refusal for one field.
func invalid(pointer, code, message string) *render.Problem {
	return &render.Problem{Code: problem.InvalidField, Errors: []render.FieldError{{Pointer: pointer, Code: code, Message: message}}}
}
