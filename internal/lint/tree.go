package lint

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"
)

// Finding is one broken rule at one place.
type Finding struct {
	Where string // "dir/file.go:12", or a path
	What  string // what is wrong, why it is a rule and what to do
}

// String returns the finding as one line.
func (f Finding) String() string { return f.Where + ": " + f.What }

// Tree is a parsed repository.
type Tree struct {
	fset     *token.FileSet
	packages []*pkg          // by directory
	texts    []*text         // every other file a person writes, by path
	paths    map[string]bool // every file and folder: what a link may lead to
	importer types.Importer
	deps     map[string][]string // of the embeddable packages: all they pull in; nil when not known
}

// pkg is one directory of Go files.
type pkg struct {
	dir   string // slash-separated, relative to the root; "." for the root itself
	files []*file

	checked bool
	types   *types.Package
	info    *types.Info
	err     error // of type checking
}

// file is one Go file.
type file struct {
	path   string
	test   bool
	built  bool // part of the build on this platform
	lines  int
	syntax *ast.File
	src    []byte
}

// text is one file that is not Go.
type text struct {
	path string
	body []byte
}

// Load parses every Go file under fsys and reads every text file. What is below a directory named testdata or vendor, or
// one whose name begins with a dot (but for .ci and .github) or an underscore, is not ours to judge.
func Load(fsys fs.FS, importer types.Importer) (*Tree, error) {
	t := &Tree{fset: token.NewFileSet(), importer: importer, paths: map[string]bool{}}
	byDir := map[string]*pkg{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		t.paths[name] = true
		if d.IsDir() && hidden(name) {
			return fs.SkipDir
		}
		if d.IsDir() || foreign(name) {
			return nil
		}
		return t.add(fsys, name, byDir)
	})
	for _, p := range byDir {
		t.packages = append(t.packages, p)
	}
	sort.Slice(t.packages, func(i, j int) bool { return t.packages[i].dir < t.packages[j].dir })
	return t, err
}

func hidden(dir string) bool {
	base := path.Base(dir)
	return base[0] == '_' || base[0] == '.' && base != "." && base != ".ci" && base != ".github"
}

func foreign(name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		switch path.Base(dir) {
		case "testdata", "vendor", "node_modules", "bin", "dist":
			return true
		}
	}
	return false
}

func (t *Tree) add(fsys fs.FS, name string, byDir map[string]*pkg) error {
	src, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted while we walked: an editor's temporary file
	}
	if err != nil {
		return err
	}
	if path.Ext(name) != ".go" {
		if isText(name, src) {
			t.texts = append(t.texts, &text{name, src})
		}
		return nil
	}
	syntax, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	dir := path.Dir(name)
	p := byDir[dir]
	if p == nil {
		p = &pkg{dir: dir}
		byDir[dir] = p
	}
	ctx := build.Default
	ctx.OpenFile = func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(src)), nil }
	built, err := ctx.MatchFile(dir, path.Base(name))
	if err != nil {
		return fmt.Errorf("match %s: %w", name, err)
	}
	p.files = append(p.files, &file{
		path: name, test: strings.HasSuffix(name, "_test.go"), built: built,
		lines: bytes.Count(src, []byte("\n")), syntax: syntax, src: src,
	})
	return nil
}

// isText tells files that people write from pictures, archives and generated assets.
func isText(name string, src []byte) bool {
	base := path.Base(name)
	if base == "LICENSE" || base == "go.sum" || len(src) > 1<<20 {
		return false
	}
	return bytes.IndexByte(src, 0) < 0
}

// check type-checks the files of p that are built here, without its tests.
func (t *Tree) check(p *pkg) error {
	if p.checked {
		return p.err
	}
	p.checked = true
	var files []*ast.File
	for _, f := range p.files {
		if f.built && !f.test {
			files = append(files, f.syntax)
		}
	}
	p.info = &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	config := types.Config{Importer: t.importer}
	p.types, p.err = config.Check(importPath(p.dir), t.fset, files, p.info)
	return p.err
}

func (t *Tree) at(n ast.Node) string { return t.atPos(n.Pos()) }

func (t *Tree) atPos(pos token.Pos) string {
	p := t.fset.Position(pos)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// eachFile calls fn for every Go file.
func (t *Tree) eachFile(fn func(*pkg, *file)) {
	for _, p := range t.packages {
		for _, f := range p.files {
			fn(p, f)
		}
	}
}

// importPath returns the import path of a directory of this module.
func importPath(dir string) string {
	if dir == "." {
		return Module
	}
	return Module + "/" + dir
}

// under reports whether dir is parent or below it.
func under(dir, parent string) bool {
	return dir == parent || strings.HasPrefix(dir, parent+"/")
}
