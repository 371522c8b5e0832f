package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Repository loads the module at root with what the go command knows about it.
func Repository(root string) (*Tree, error) {
	exports := map[string]string{}
	deps, err := list(root, exports)
	if err != nil {
		return nil, err
	}
	lookup := func(imported string) (io.ReadCloser, error) {
		if exports[imported] == "" {
			return nil, fmt.Errorf("no export data for %s", imported)
		}
		return os.Open(exports[imported])
	}
	t, err := Load(os.DirFS(root), importer.ForCompiler(token.NewFileSet(), "gc", lookup))
	if err != nil {
		return nil, err
	}
	t.deps = deps
	return t, nil
}

// list asks the go command for the export data of every package that ours need, and for the dependencies of ours.
func list(root string, exports map[string]string) (deps map[string][]string, err error) {
	if root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-e", "-export", "-deps", "-json=ImportPath,Export,Deps", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	deps = map[string][]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Export string
			Deps               []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return deps, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		exports[p.ImportPath] = p.Export
		if dir, ours := strings.CutPrefix(p.ImportPath, Module+"/"); ours {
			deps[dir] = p.Deps
		}
	}
}
