package control

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/server/render"
)

type namespaceView struct {
	Name      string `json:"name"`
	Users     uint64 `json:"users"`
	Keys      uint64 `json:"keys"`
	Campaigns int    `json:"campaigns"`
}

func viewNamespace(n *engine.Namespace) namespaceView {
	return namespaceView{n.Name(), n.Users(), n.Keys(), len(n.Campaigns())}
}

func (p *Plane) listNamespaces(x *exchange) *render.Problem {
	page, refused := x.page()
	if refused != nil {
		return refused
	}
	all := slices.Clone(p.Engine.Namespaces())
	slices.SortFunc(all, func(a, b *engine.Namespace) int { return strings.Compare(a.Name(), b.Name()) })
	items := []namespaceView{}
	for _, n := range all {
		if page.take(n.Name()) {
			items = append(items, viewNamespace(n))
		}
	}
	return x.answer(http.StatusOK, list[namespaceView]{items, page.next()})
}

func (p *Plane) createNamespace(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	name := f.text("name", 1, engine.MaxNamespaceBytes)
	if len(*f.faults) == 0 && !names.ID(name) {
		f.fault("name", "pattern", "must be of a-z, 0-9 and -, and not begin with -")
	}
	if refused := f.done(); refused != nil {
		return refused
	}
	command := engine.NewNamespace{Name: name}
	rand.Read(command.Secret[:]) // never fails: the process ends when the system has no randomness
	var b engine.Batch
	b.AddNamespace(&command)
	r, refused := x.decide(&b)
	if refused != nil {
		return refused
	}
	n, found := p.Engine.Namespace(name)
	if !found {
		return x.broken("a new namespace is not there", errNotApplied)
	}
	status := http.StatusCreated
	if r.AlreadyLive {
		status = http.StatusOK
	}
	return x.answer(status, viewNamespace(n))
}
