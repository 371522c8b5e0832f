package control

import (
	"context"
	"net/http"
	"time"

	"github.com/drawd/drawd/server/render"
)

// joinTokenView is a token as it is shown.
type joinTokenView struct {
	ID        string `json:"id"`
	Secret    string `json:"secret,omitempty"`
	Node      string `json:"node,omitempty"`
	Edge      bool   `json:"edge"`
	CreatedAt stamp  `json:"created_at"`
	ExpiresAt stamp  `json:"expires_at"`
	UsedBy    string `json:"used_by,omitempty"`
}

func viewToken(t *JoinToken) joinTokenView {
	return joinTokenView{t.ID, t.Secret, t.Node, t.Edge, stamp(t.CreatedAt.UnixMilli()), stamp(t.ExpiresAt.UnixMilli()), t.UsedBy}
}

func (p *Plane) listTokens(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	items := []joinTokenView{}
	if p.Cluster != nil {
		all := p.Cluster.Tokens()
		for i := range all {
			items = append(items, viewToken(&all[i]))
		}
	}
	return x.answer(http.StatusOK, list[joinTokenView]{items, ""})
}

func (p *Plane) createToken(x *exchange) *render.Problem {
	f, refused := x.change()
	if refused != nil {
		return refused
	}
	r := JoinTokenRequest{Node: f.nodeName(false), Edge: f.flag("edge"), Life: time.Hour, Actor: x.grant.Actor()}
	if f.has("life_ms") {
		r.Life = time.Duration(f.integer("life_ms", true, minTokenLife.Milliseconds(), maxTokenLife.Milliseconds())) * time.Millisecond
	}
	f.asked["life_ms"] = true
	if refused := f.done(); refused != nil {
		return refused
	}
	ctx, cancel := context.WithTimeout(x.request.Context(), memberTime)
	defer cancel()
	t, err := p.Cluster.CreateToken(ctx, r)
	if err != nil {
		return x.undecided(err)
	}
	x.Header().Set("Location", "/admin/v1/cluster/tokens/"+t.ID)
	return x.answer(http.StatusCreated, viewToken(t))
}

func (p *Plane) deleteToken(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	if refused := x.noBody(); refused != nil {
		return refused
	}
	if p.Cluster == nil {
		return alone()
	}
	ctx, cancel := context.WithTimeout(x.request.Context(), memberTime)
	defer cancel()
	if err := p.Cluster.DeleteToken(ctx, x.params.id, x.grant.Actor()); err != nil {
		return x.undecided(err)
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}
