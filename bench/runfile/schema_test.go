package runfile

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/bench-run.schema.json instead of comparing with it")

const schemaFile = "../../docs/bench-run.schema.json"

// TestSchemaIsTheTypes makes the schema from the types and their comments and compares it with the published one.
func TestSchemaIsTheTypes(t *testing.T) {
	got := schemaOf(t)
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, published) {
		t.Errorf("docs/bench-run.schema.json is not what the types say: go test ./bench/runfile -run Schema -update")
	}
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", m.name)
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func schemaOf(t *testing.T) []byte {
	t.Helper()
	s := &schemaMaker{t: t, types: map[string]*ast.TypeSpec{}, docs: map[string]string{}, words: map[string][]string{}}
	for _, name := range []string{"run.go", "percentiles.go"} {
		s.read(name)
	}
	root := s.structOf("Run")
	defs := object{}
	for i := 0; i < len(s.order); i++ { // structOf appends to it
		name := s.order[i]
		if words := s.words[name]; len(words) > 0 {
			defs = append(defs, member{name, object{{"description", s.docs[name]}, {"type", "string"}, {"enum", words}}})
			continue
		}
		defs = append(defs, member{name, s.structOf(name)})
	}
	all := append(object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "drawd bench: the document of a run, version " + strconv.Itoa(SchemaVersion)},
	}, root...)
	all = append(all, member{"$defs", defs})
	var compact, out bytes.Buffer
	e := json.NewEncoder(&compact)
	e.SetEscapeHTML(false)
	if err := e.Encode(all); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&out, compact.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type schemaMaker struct {
	t     *testing.T
	types map[string]*ast.TypeSpec
	docs  map[string]string
	words map[string][]string // of a type of words
	order []string            // types that are referred to, each once
}

func (s *schemaMaker) read(name string) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			switch v := spec.(type) {
			case *ast.TypeSpec:
				s.types[v.Name.Name], s.docs[v.Name.Name] = v, oneLine(g.Doc)
			case *ast.ValueSpec:
				word, isWord := v.Type.(*ast.Ident)
				if g.Tok == token.CONST && isWord {
					text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
					if err != nil {
						s.t.Fatal(err)
					}
					s.words[word.Name] = append(s.words[word.Name], text)
				}
			}
		}
	}
}

func oneLine(c *ast.CommentGroup) string {
	return strings.Join(strings.Fields(c.Text()), " ")
}

// structOf describes a struct; what it embeds counts as its own.
func (s *schemaMaker) structOf(name string) object {
	properties, required := object{}, []string{}
	s.fields(name, &properties, &required)
	return object{
		{"description", s.docs[name]}, {"type", "object"}, {"additionalProperties", false}, {"required", required}, {"properties", properties},
	}
}

func (s *schemaMaker) fields(name string, properties *object, required *[]string) {
	spec := s.types[name]
	if spec == nil {
		s.t.Fatalf("no type %s", name)
	}
	for _, f := range spec.Type.(*ast.StructType).Fields.List {
		if len(f.Names) == 0 {
			s.fields(f.Type.(*ast.Ident).Name, properties, required)
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			s.t.Fatal(err)
		}
		jsonName, rest, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(tag, `json:"`), `"`), ",")
		if rest != "omitempty" {
			*required = append(*required, jsonName)
		}
		described := object{}
		if text := oneLine(f.Doc); text != "" {
			described = append(described, member{"description", text})
		}
		*properties = append(*properties, member{jsonName, append(described, s.typeOf(f.Type)...)})
	}
}

func (s *schemaMaker) typeOf(e ast.Expr) object {
	switch v := e.(type) {
	case *ast.StarExpr:
		return s.typeOf(v.X)
	case *ast.ArrayType:
		return object{{"type", "array"}, {"items", s.typeOf(v.Elt)}}
	case *ast.MapType:
		return object{{"type", "object"}, {"additionalProperties", s.typeOf(v.Value)}}
	case *ast.SelectorExpr:
		return object{{"type", "string"}, {"format", "date-time"}} // time.Time is the only one
	case *ast.Ident:
		switch v.Name {
		case "string":
			return object{{"type", "string"}}
		case "bool":
			return object{{"type", "boolean"}}
		case "float64":
			return object{{"type", "number"}}
		case "int", "int64":
			return object{{"type", "integer"}}
		case "uint64":
			return object{{"type", "integer"}, {"minimum", 0}}
		}
		for _, known := range s.order {
			if known == v.Name {
				return object{{"$ref", "#/$defs/" + v.Name}}
			}
		}
		s.order = append(s.order, v.Name)
		return object{{"$ref", "#/$defs/" + v.Name}}
	}
	s.t.Fatalf("a type that the schema cannot say: %T", e)
	return nil
}
