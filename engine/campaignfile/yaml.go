package campaignfile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/drawd/drawd/engine/problem"
)

// readYAML reads one YAML document. Anchors, aliases, merge keys and tags are refused: a file that decides who gets
// what should say what it means where it stands, and nothing can then expand beyond the size of its source.
func (t *tree) readYAML(src []byte) (root *node) {
	// The parser is not ours and the source is not trusted: what it cannot take is a fault of the file, not a crash.
	defer func() {
		if r := recover(); r != nil {
			root = nil
			t.fail("", problem.BadJSON, place{}, fmt.Sprintf("this YAML cannot be read (%v): write it more plainly, or as JSON", r))
		}
	}()
	tokens := lexer.Tokenize(string(src))
	if !t.tame(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := place{}, err.Error()
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			message = syntax.Message
			if syntax.Token != nil {
				at = placeOf(syntax.Token)
			}
		}
		t.fail("", problem.BadJSON, at, "this is not valid YAML: "+message)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case isBlank(doc.Body):
		case body != nil:
			t.fail("", problem.InvalidField, placeOf(firstToken(doc.Body)), "a second document begins here: a file holds one")
			return nil
		default:
			body = doc.Body
		}
	}
	if body == nil {
		t.fail("", problem.InvalidField, place{}, "the file is empty")
		return nil
	}
	return t.convert(body, "", 0)
}

func isBlank(body ast.Node) bool {
	switch body.(type) {
	case nil, *ast.CommentGroupNode, *ast.CommentNode, *ast.DirectiveNode:
		return true
	}
	return false
}

// tame refuses, before the parser recurses into it, what nests deeper than any campaign file.
func (t *tree) tame(tokens token.Tokens) bool {
	if len(tokens) > maxTokens {
		t.fail("", problem.InvalidField, place{}, fmt.Sprintf("the file has more than %d YAML tokens", maxTokens))
		return false
	}
	flow, inLine, line := 0, 0, 0
	for _, tok := range tokens {
		first := tok.Position.Line != line
		if first {
			line, inLine = tok.Position.Line, 0
		}
		switch tok.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			inLine++
		}
		if flow > maxDepth || inLine > maxDepth || first && tok.Position.Column > maxIndent && tok.Type != token.CommentType {
			t.fail("", problem.InvalidField, placeOf(tok), fmt.Sprintf("this is nested deeper than %d levels", maxDepth))
			return false
		}
	}
	return true
}

func placeOf(tok *token.Token) place {
	if tok == nil || tok.Position == nil {
		return place{}
	}
	return place{line: tok.Position.Line, column: tok.Position.Column}
}

// convert turns a node of the parser into one of ours.
func (t *tree) convert(from ast.Node, pointer string, depth int) *node {
	n := &node{at: placeOf(from.GetToken())}
	if depth > maxDepth {
		n.kind = kindRefused
		t.fail(pointer, problem.InvalidField, n.at, fmt.Sprintf("this is nested deeper than %d levels", maxDepth))
		return n
	}
	switch from := from.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		n.kind, n.text = kindBool, fmt.Sprint(from.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = kindNumber, from.GetToken().Value
	case *ast.StringNode:
		n.kind, n.text = kindText, from.Value
		n.verbatim(from.Token)
		if from.Token.Type == token.StringType && numeric.MatchString(from.Value) {
			n.kind = kindNumber // too long for the parser's integers, or with an exponent
		}
	case *ast.LiteralNode:
		n.kind, n.text = kindText, from.Value.Value
		n.verbatimBlock(from)
	case *ast.SequenceNode:
		n.kind = kindList
		for i, item := range from.Values {
			n.items = append(n.items, t.convert(item, fmt.Sprintf("%s/%d", pointer, i), depth+1))
		}
	case *ast.MappingNode:
		n.at = placeOf(firstToken(from))
		t.mapping(n, from.Values, pointer, depth)
	default:
		n.kind = kindRefused
		t.fail(pointer, problem.InvalidField, n.at, refusal(from))
	}
	return n
}

// verbatim notes where the text of a plain or quoted scalar begins, if it stands in the source as it is.
func (n *node) verbatim(tok *token.Token) {
	if tok == nil || strings.Contains(n.text, "\n") || !strings.Contains(tok.Origin, n.text) {
		return
	}
	n.textAt = placeOf(tok)
	if tok.Type == token.SingleQuoteType || tok.Type == token.DoubleQuoteType {
		n.textAt.column++
	}
}

// verbatimBlock does the same for a block behind "|". One behind ">" joins lines, so places in it are lost.
func (n *node) verbatimBlock(from *ast.LiteralNode) {
	if from.Start == nil || from.Start.Type != token.LiteralType || from.Value == nil || from.Value.Token == nil {
		return
	}
	first, _, _ := strings.Cut(strings.TrimLeft(from.Value.Token.Origin, "\n"), "\n")
	n.textIndent = len(first) - len(strings.TrimLeft(first, " "))
	n.textAt = place{placeOf(from.Start).line + 1, n.textIndent + 1}
}

// refusal says why a kind of node is refused.
func refusal(n ast.Node) string {
	switch n := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		return "anchors and aliases are not allowed in a campaign file: write the value out"
	case *ast.TagNode:
		return fmt.Sprintf("the tag %s is not allowed in a campaign file: write the plain value", brief(n.Start.Value))
	}
	return "this kind of YAML is not allowed in a campaign file: write a value"
}

// firstToken returns where a node begins to the reader's eye. The parser names the colon of a block's first key.
func firstToken(n ast.Node) *token.Token {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken()
	}
	return n.GetToken()
}

// numeric matches plain text that a person means as a number.
var numeric = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(\.[0-9]*)?([eE][-+]?[0-9]+)?$`)

func (t *tree) mapping(n *node, values []*ast.MappingValueNode, pointer string, depth int) {
	n.kind = kindMap
	for _, v := range values {
		at := placeOf(v.Key.GetToken())
		name, ok := keyName(v.Key)
		if !ok {
			n.kind = kindRefused // fields that came by this key would be reported as missing
			t.fail(pointer, problem.InvalidField, at, "a key must be plain text on one line; merge keys are not allowed: write the fields out")
			continue
		}
		n.keys = append(n.keys, key{name, at})
		member := t.convert(v.Value, pointer+"/"+escape(name), depth+1)
		if member.kind == kindNull || member.at.line > at.line {
			member.at = at // nothing, or a block, is best shown where it is named
		}
		n.items = append(n.items, member)
	}
	t.duplicates(value{n, pointer})
}

// keyName returns the text of a key. Numbers, booleans and null are keys as they are written.
func keyName(k ast.MapKeyNode) (string, bool) {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, true
	}
	return "", false
}
