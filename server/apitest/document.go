package apitest

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// Document is the OpenAPI document with its operations in the order in which paths are matched.
type Document struct {
	Spec *openapi3.T

	operations []operation
}

type operation struct {
	method, path string
	pattern      *regexp.Regexp
	names        []string // of the path's parameters
	op           *openapi3.Operation
	item         *openapi3.PathItem
}

// Route is one operation of the document: what a plane's route table is held against.
type Route struct {
	Method, Path string // "POST", "/v1/campaigns/{campaign}/draws"
	Planes       []string
	Scopes       []string
}

// load reads the document once.
var load = sync.OnceValues(func() (*Document, error) {
	path, err := find("docs/openapi.yaml")
	if err != nil {
		return nil, err
	}
	spec, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, err
	}
	return newDocument(spec), nil
})

// Load returns docs/openapi.yaml.
func Load() (*Document, error) { return load() }

// find returns the file below the module's root.
func find(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, name), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("apitest: no go.mod above the working directory")
		}
		dir = up
	}
}

var parameter = regexp.MustCompile(`\\\{([a-z_]+)\\\}`)

func newDocument(spec *openapi3.T) *Document {
	d := &Document{Spec: spec}
	for path, item := range spec.Paths.Map() {
		quoted := regexp.QuoteMeta(path)
		var names []string
		for _, m := range parameter.FindAllStringSubmatch(quoted, -1) {
			names = append(names, m[1])
		}
		pattern := regexp.MustCompile("^" + parameter.ReplaceAllString(quoted, `([^/]+)`) + "$")
		for method, op := range item.Operations() {
			d.operations = append(d.operations, operation{method, path, pattern, names, op, item})
		}
	}
	// Literal text wins over a parameter: "{campaign}:publish" before "{campaign}".
	slices.SortFunc(d.operations, func(a, b operation) int {
		if n := literal(b.path) - literal(a.path); n != 0 {
			return n
		}
		return strings.Compare(a.path+a.method, b.path+b.method)
	})
	return d
}

// literal counts the characters of a path that are not in parameters.
func literal(path string) int {
	return len(regexp.MustCompile(`\{[a-z_]+\}`).ReplaceAllString(path, ""))
}

// match returns the operation of a request, with the values of its path's parameters.
func (d *Document) match(method, path string) (*operation, map[string]string) {
	for i := range d.operations {
		o := &d.operations[i]
		if o.method != method {
			continue
		}
		values := o.pattern.FindStringSubmatch(path)
		if values == nil {
			continue
		}
		params := make(map[string]string, len(o.names))
		for i, name := range o.names {
			params[name] = values[i+1]
		}
		return o, params
	}
	return nil, nil
}

// Routes returns every operation of a plane ("data" or "control"), by path and method.
func (d *Document) Routes(plane string) []Route {
	var routes []Route
	for i := range d.operations {
		o := &d.operations[i]
		r := Route{Method: o.method, Path: o.path, Planes: texts(o.op.Extensions["x-planes"]), Scopes: texts(o.op.Extensions["x-scopes"])}
		if slices.Contains(r.Planes, plane) {
			routes = append(routes, r)
		}
	}
	slices.SortFunc(routes, func(a, b Route) int { return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method) })
	return routes
}

func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// schema returns a component.
func (d *Document) schema(name string) *openapi3.Schema {
	if ref := d.Spec.Components.Schemas[name]; ref != nil {
		return ref.Value
	}
	return nil
}

// Codes returns the problem codes that the document describes, by status: those of the schemas Problem401 and so on, and of
// ProblemCommon under 0.
func (d *Document) Codes() map[int][]string {
	codes := map[int][]string{}
	for name, ref := range d.Spec.Components.Schemas {
		status := 0
		if text, ok := strings.CutPrefix(name, "Problem"); !ok || name == "Problem" || name == "ProblemError" {
			continue
		} else if name != "ProblemCommon" {
			status, _ = strconv.Atoi(text)
		}
		for _, part := range ref.Value.AllOf {
			if code := part.Value.Properties["code"]; part.Ref == "" && code != nil {
				values := code.Value.Enum
				if code.Value.Const != nil {
					values = append(values, code.Value.Const)
				}
				codes[status] = append(codes[status], texts(values)...)
			}
		}
	}
	return codes
}
