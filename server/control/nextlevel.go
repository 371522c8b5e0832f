//go:build nextlevel

package control

import (
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/server/render"
)

// nextRoutes are the operation of tomorrow (engine/nextlevel.go), for tests of two builds beside each other.
func nextRoutes() []route {
	return []route{
		{name: "mark", method: "POST", pattern: "/admin/v1/next:mark", need: changers, reach: reachNamespace, handle: (*Plane).mark},
		{name: "marked", method: "GET", pattern: "/admin/v1/next", need: readers, reach: reachNamespace, handle: (*Plane).marked},
	}
}

func (p *Plane) mark(x *exchange) *render.Problem {
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	c := engine.Mark{Namespace: x.grant.Namespace.Ref(), Text: []byte(f.text("text", 1, engine.MaxReasonBytes)), Actor: x.grant.Actor()}
	if refused := f.done(); refused != nil {
		return refused
	}
	var b engine.Batch
	b.AddMark(&c)
	r, refused := x.decide(&b)
	if refused != nil {
		return refused
	}
	return x.answer(http.StatusOK, map[string]uint64{"revision": r.Value})
}

func (p *Plane) marked(x *exchange) *render.Problem {
	d, _ := p.Engine.Document(x.grant.Namespace.Ref(), engine.NextDocument)
	return x.answer(http.StatusOK, map[string]string{"text": string(d.Body)})
}
