package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// TB is what of testing.TB is used here.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Validate fails t when the document does not allow resp as the answer to req, or does not allow req although resp says
// that it was done. It reads resp.Body and leaves a copy in its place. body is the request's body.
func Validate(t TB, req *http.Request, body []byte, resp *http.Response) {
	t.Helper()
	d, err := Load()
	if err != nil {
		t.Errorf("apitest: %v", err)
		return
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	if err != nil {
		t.Errorf("apitest: %s %s: the answer broke off: %v", req.Method, req.URL.Path, err)
		return
	}
	if err := d.Check(req, body, resp.StatusCode, resp.Header, answer); err != nil {
		t.Errorf("apitest: %s %s -> %d: %v\n%.2000s", req.Method, req.URL, resp.StatusCode, err, answer)
	}
}

// Check is Validate for what is at hand as bytes.
func (d *Document) Check(req *http.Request, body []byte, status int, header http.Header, answer []byte) error {
	o, params := d.match(req.Method, req.URL.Path)
	if o == nil {
		return d.checkUnrouted(status, header, answer)
	}
	in := &openapi3filter.RequestValidationInput{
		Request:     req,
		PathParams:  params,
		QueryParams: req.URL.Query(),
		Route:       &routers.Route{Spec: d.Spec, Path: o.path, PathItem: o.item, Method: o.method, Operation: o.op},
		Options: &openapi3filter.Options{
			IncludeResponseStatus:             true,
			RejectWhenRequestBodyNotSpecified: true,
			AuthenticationFunc:                openapi3filter.NoopAuthenticationFunc,
			MultiError:                        true,
		},
	}
	if status < 400 {
		if err := checkRequest(in, body); err != nil {
			return fmt.Errorf("the server took a request that the document calls invalid: %w", err)
		}
	}
	return d.checkResponse(o, in, status, header, answer)
}

func checkRequest(in *openapi3filter.RequestValidationInput, body []byte) error {
	clone := in.Request.Clone(context.Background())
	clone.Body, clone.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if len(body) == 0 {
		clone.Body = http.NoBody
	}
	for name := range clone.URL.Query() {
		if in.Route.Operation.Parameters.GetByInAndName("query", name) == nil {
			return fmt.Errorf("query parameter %q is not documented", name)
		}
	}
	kind, _, _ := mime.ParseMediaType(clone.Header.Get("Content-Type"))
	if len(body) > 0 && kind != "application/json" {
		if ref := in.Route.Operation.RequestBody; ref == nil || ref.Value.Content[kind] == nil {
			return fmt.Errorf("request type %q is not documented", kind)
		}
		options := *in.Options
		options.ExcludeRequestBody = true
		in.Options = &options
	}
	checked := *in
	checked.Request = clone
	return openapi3filter.ValidateRequest(context.Background(), &checked)
}

// commonStatuses are those that "default" stands for.
var commonStatuses = []int{400, 405, 406, 408, 411, 413, 431, 500}

func (d *Document) checkResponse(o *operation, in *openapi3filter.RequestValidationInput, status int, header http.Header, answer []byte) error {
	ref := o.op.Responses.Status(status)
	if ref == nil && !slices.Contains(commonStatuses, status) {
		return fmt.Errorf("status %d is not documented", status)
	}
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil && len(answer) > 0 {
		return fmt.Errorf("Content-Type %q: %w", header.Get("Content-Type"), err)
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return fmt.Errorf("charset %q", charset)
	}
	if ref == nil {
		ref = o.op.Responses.Default()
	}
	content := ref.Value.Content
	if len(content) == 0 {
		if len(answer) > 0 {
			return fmt.Errorf("a body is not documented")
		}
		return nil
	}
	media := content[kind]
	if media == nil {
		return fmt.Errorf("type %q is not documented", kind)
	}
	if err := checkHeaders(ref.Value.Headers, header); err != nil {
		return err
	}
	if media.Schema == nil {
		return nil
	}
	switch kind {
	case "application/json", "application/problem+json":
		value, err := decode(answer)
		if err != nil {
			return err
		}
		if err := d.visit(media.Schema.Value, value); err != nil {
			return err
		}
		return checkProblemStatus(kind, status, value)
	case "application/x-ndjson":
		return d.checkLines(media.Schema.Value, answer)
	}
	return nil
}

// checkProblemStatus holds the status inside a problem against the one outside.
func checkProblemStatus(kind string, status int, value any) error {
	if kind != "application/problem+json" {
		return nil
	}
	if inside := fmt.Sprint(value.(map[string]any)["status"]); inside != fmt.Sprint(status) {
		return fmt.Errorf("the problem says status %s", inside)
	}
	return nil
}

func checkHeaders(documented openapi3.Headers, header http.Header) error {
	for name, ref := range documented {
		value := header.Get(name)
		if value == "" {
			if ref.Value.Required {
				return fmt.Errorf("header %s is missing", name)
			}
			continue
		}
		if ref.Value.Schema == nil {
			continue
		}
		var v any = value
		if ref.Value.Schema.Value.Type.Is("integer") {
			v = json.Number(value)
		}
		if err := ref.Value.Schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors()); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	return nil
}

// checkLines validates newline-delimited JSON against the schema of an array of the lines.
func (d *Document) checkLines(schema *openapi3.Schema, answer []byte) error {
	if len(answer) == 0 || answer[len(answer)-1] != '\n' {
		return fmt.Errorf("the last line does not end")
	}
	for i, line := range bytes.Split(answer[:len(answer)-1], []byte("\n")) {
		value, err := decode(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		if err := d.visit(schema.Items.Value, value); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return nil
}

func decode(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if dec.More() {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

func (d *Document) visit(schema *openapi3.Schema, value any) error {
	return schema.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors())
}

// unrouted are the statuses of a request that meets no operation.
var unrouted = map[int]string{400: "ProblemCommon", 401: "Problem401", 403: "Problem403", 404: "Problem404", 405: "ProblemCommon", 406: "ProblemCommon", 408: "ProblemCommon", 411: "ProblemCommon", 413: "ProblemCommon", 431: "ProblemCommon"}

func (d *Document) checkUnrouted(status int, header http.Header, answer []byte) error {
	name := unrouted[status]
	if name == "" {
		return fmt.Errorf("no operation is documented for this path and method")
	}
	if kind := header.Get("Content-Type"); kind != "application/problem+json" {
		return fmt.Errorf("a refusal of type %q", kind)
	}
	if status == http.StatusMethodNotAllowed && header.Get("Allow") == "" {
		return fmt.Errorf("405 without Allow")
	}
	value, err := decode(answer)
	if err != nil {
		return err
	}
	if err := d.visit(d.schema(name), value); err != nil {
		return err
	}
	return checkProblemStatus("application/problem+json", status, value)
}

// Transport is a RoundTripper that validates everything that goes through it.
func Transport(t TB, base http.RoundTripper) http.RoundTripper { return &transport{t, base} }

type transport struct {
	t    TB
	base http.RoundTripper
}

// RoundTrip sends req and validates the pair.
func (tr *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	tr.t.Helper()
	var body []byte
	if req.Body != nil && req.Body != http.NoBody {
		b, err := io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		body = b
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := tr.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	seen := *req
	u := *req.URL
	if i := strings.IndexByte(u.RawPath, '%'); i >= 0 {
		u.Path = u.RawPath // matched as it was sent
	}
	seen.URL = &url.URL{Path: u.Path, RawQuery: u.RawQuery}
	Validate(tr.t, &seen, body, resp)
	return resp, nil
}
