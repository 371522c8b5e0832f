package control

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// poolRoutes are those of table that are about pools.
func poolRoutes() []route {
	const stockers = access.ScopeStock | access.ScopeAdmin
	return []route{
		{name: "pools", method: "GET", pattern: "/admin/v1/pools", need: readers, reach: reachNamespace, handle: (*Plane).listPools},
		{name: "explain_hold", method: "GET", pattern: "/admin/v1/holds/{id}:explain", need: readers, reach: reachNamespace, handle: (*Plane).explainHold},
		{name: "pool", method: "GET", pattern: "/admin/v1/pools/{pool}", need: readers, reach: reachNamespace, handle: (*Plane).getPool},
		{name: "put_pool", method: "PUT", pattern: "/admin/v1/pools/{pool}", need: changers, reach: reachNamespace, handle: (*Plane).putPool},
		{name: "adjust_pool", method: "POST", pattern: "/admin/v1/pools/{pool}:adjust", need: stockers, reach: reachNamespace, handle: (*Plane).adjustPool},
	}
}

// poolView is a pool's policy with its books. Intervals that are not set are not shown.
type poolView struct {
	Pool           string          `json:"pool"`
	Revision       uint64          `json:"revision"`
	Total          int64           `json:"total"`
	OpensAt        *stamp          `json:"opens_at,omitempty"`
	ClosesAt       *stamp          `json:"closes_at,omitempty"`
	LimitPerOwner  int64           `json:"limit_per_owner,omitempty"`
	HoldTTL        string          `json:"hold_ttl"`
	MaxHold        string          `json:"max_hold,omitempty"`
	Restock        string          `json:"restock"`
	ReturnJitter   string          `json:"return_jitter,omitempty"`
	MaxUnconfirmed uint16          `json:"max_unconfirmed,omitempty"`
	Cooldown       string          `json:"cooldown,omitempty"`
	LowStock       int64           `json:"low_stock,omitempty"`
	Stock          json.RawMessage `json:"stock"`
}

// interval writes ms as the largest unit that fits; empty for none.
func interval(ms int64) string {
	switch {
	case ms == 0:
		return ""
	case ms%3600_000 == 0:
		return strconv.FormatInt(ms/3600_000, 10) + "h"
	case ms%60_000 == 0:
		return strconv.FormatInt(ms/60_000, 10) + "m"
	case ms%1000 == 0:
		return strconv.FormatInt(ms/1000, 10) + "s"
	}
	return strconv.FormatInt(ms, 10) + "ms"
}

// interval returns a duration such as "15m" in ms; 0 when it is not there.
func (f *fields) interval(name string) int64 {
	text := f.text(name, 0, 32)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d%time.Millisecond != 0 {
		f.fault(name, "pattern", "%s must be a duration in whole milliseconds, such as 15m", name)
		return 0
	}
	return d.Milliseconds()
}

func (x *exchange) viewPool(p *engine.Pool) poolView {
	terms, revision := p.Policy()
	now := max(x.plane.Engine.LogTime(), engine.UnixMilli(x.now.UnixMilli()))
	v := poolView{
		Pool: p.ID(), Revision: revision, Total: int64(p.Stock().Total), LimitPerOwner: int64(terms.LimitPerOwner), HoldTTL: interval(terms.HoldTTL),
		MaxHold: interval(terms.MaxHold), Restock: terms.Restock.String(), ReturnJitter: interval(terms.ReturnJitter),
		MaxUnconfirmed: terms.MaxUnconfirmed, Cooldown: interval(terms.Cooldown), LowStock: int64(terms.LowStock), Stock: render.AppendPool(nil, p, now),
	}
	if v.HoldTTL == "" {
		v.HoldTTL = interval(engine.DefaultHoldTTL)
	}
	if terms.OpensAt != 0 {
		v.OpensAt = (*stamp)(&terms.OpensAt)
	}
	if terms.ClosesAt != 0 {
		v.ClosesAt = (*stamp)(&terms.ClosesAt)
	}
	return v
}

// pool finds the pool in the path.
func (x *exchange) pool() (*engine.Pool, bool) {
	return x.grant.Namespace.Pool([]byte(x.params.pool))
}

func (p *Plane) getPool(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	pool, unknown := x.grant.Pool([]byte(x.params.pool))
	if unknown.Code != problem.OK {
		return x.refusedBy(&unknown)
	}
	_, revision := pool.Policy()
	x.Header().Set("ETag", etag(revision))
	return x.answer(http.StatusOK, x.viewPool(pool))
}

func (p *Plane) listPools(x *exchange) *render.Problem {
	page, refused := x.page()
	if refused != nil {
		return refused
	}
	all := slices.Clone(x.grant.Namespace.Pools())
	slices.SortFunc(all, func(a, b *engine.Pool) int { return strings.Compare(a.ID(), b.ID()) })
	items := []poolView{}
	for _, pool := range all {
		if page.take(pool.ID()) {
			items = append(items, x.viewPool(pool))
		}
	}
	return x.answer(http.StatusOK, list[poolView]{items, page.next()})
}

// poolFields reads what a pool is to be. found says that it is there, and need not state its total.
func (x *exchange) poolFields(found bool) (*engine.PutPool, *render.Problem) {
	f, refused := x.fields()
	if refused != nil {
		return nil, refused
	}
	c := &engine.PutPool{Namespace: x.grant.Namespace.Ref(), ID: x.params.pool, Total: engine.StockUnstated, Actor: x.grant.Actor()}
	if total := f.integer("total", !found, 0, engine.MaxStock); f.has("total") {
		c.Total = engine.Quantity(total)
	}
	t := &c.Policy
	if at := f.instant("opens_at"); !at.IsZero() {
		t.OpensAt = engine.UnixMilli(at.UnixMilli())
	}
	if at := f.instant("closes_at"); !at.IsZero() {
		t.ClosesAt = engine.UnixMilli(at.UnixMilli())
	}
	t.LimitPerOwner = engine.Quantity(f.integer("limit_per_owner", false, 0, engine.MaxCapLimit))
	t.HoldTTL, t.MaxHold = f.interval("hold_ttl"), f.interval("max_hold")
	t.ReturnJitter, t.Cooldown = f.interval("return_jitter"), f.interval("cooldown")
	t.MaxUnconfirmed = uint16(f.integer("max_unconfirmed", false, 0, 1<<16-1))
	t.LowStock = engine.Quantity(f.integer("low_stock", false, 0, engine.MaxStock))
	if word := f.text("restock", 0, 16); word != "" {
		var known bool
		if t.Restock, known = engine.ParseRestock(word); !known {
			f.fault("restock", "range", `must be "machine", "one" or "two"`)
		}
	}
	c.Reason = f.text("reason", 0, engine.MaxReasonBytes)
	if refused := f.done(); refused != nil {
		return nil, refused
	}
	if err := c.CheckPool(); err != nil {
		return nil, refusal(problem.InvalidField, err.Error())
	}
	return c, nil
}

func (p *Plane) putPool(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	pool, found := x.pool()
	c, refused := x.poolFields(found)
	if refused != nil {
		return refused
	}
	if found {
		_, c.Expect = pool.Policy()
	}
	if refused := x.precondition(c.Expect, found); refused != nil {
		return refused
	}
	var b engine.Batch
	b.AddPool(c)
	r, refused := x.decide(&b)
	switch {
	case refused == nil && r.Pending:
		return x.answerPending(uint32(r.Value), nil)
	case refused == nil:
	case refused.Code == problem.VersionConflict:
		return x.versionConflict(r.Value)
	case refused.Code == problem.StockChanged:
		refused.Detail = "The total is " + strconv.FormatUint(r.Value, 10) + ": leave total out, and change it with :adjust."
		return refused
	default:
		return refused
	}
	if pool, found = x.pool(); !found {
		panic("BUG: control: a pool that was made is not there")
	}
	x.Header().Set("ETag", etag(r.Value))
	return x.answer(http.StatusOK, x.viewPool(pool))
}

// adjustPool changes a pool's total by a delta, once for its key.
func (p *Plane) adjustPool(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	key, refused := x.idempotencyKey()
	if refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	delta, reason := f.integer("delta", true, -engine.MaxStock, engine.MaxStock), f.text("reason", 1, engine.MaxReasonBytes)
	if delta == 0 && len(*f.faults) == 0 {
		f.fault("delta", "range", "must not be 0")
	}
	if refused := f.done(); refused != nil {
		return refused
	}
	pool, unknown := x.grant.Pool([]byte(x.params.pool))
	if unknown.Code != problem.OK {
		return x.refusedBy(&unknown)
	}
	ns, actor := x.grant.Namespace, x.grant.Actor()
	var b engine.Batch
	b.AddPoolAdjust(&engine.AdjustPool{
		Namespace: ns.Ref(), Pool: pool.Ref(), Delta: engine.Quantity(delta), Digest: ns.Keyer().PoolAdjust(pool.Ref(), actor, []byte(key)),
		Machine: !x.grant.Has(access.ScopeAdmin), Actor: actor, Reason: reason,
	})
	r, refused := x.decide(&b)
	if refused != nil {
		return x.explainPoolAdjust(pool, r, refused)
	}
	if r.Pending {
		return x.answerPending(uint32(r.Value), nil)
	}
	record, refused := x.adjustment(r, &b)
	if refused != nil {
		return refused
	}
	if r.Replayed {
		x.Header().Set("Idempotent-Replayed", "true")
	}
	return x.answer(http.StatusOK, struct {
		Pool  string `json:"pool"`
		Delta int64  `json:"delta"`
		Total int64  `json:"total"`
		Seq   uint64 `json:"seq"`
	}{pool.ID(), record.Delta, int64(record.Total), record.Seq})
}

// explainPoolAdjust says in words why a total cannot be changed.
func (x *exchange) explainPoolAdjust(pool *engine.Pool, r *engine.Result, refused *render.Problem) *render.Problem {
	switch refused.Code {
	case problem.Forbidden:
		refused.Detail = `The pool's restock does not say "machine": a key with the scope admin must do it.`
	case problem.InsufficientStock:
		s := pool.Stock()
		refused.DeniedUnits(r, x.grant.Namespace)
		refused.Detail = "The total is " + units(s.Total) + ", of which " + units(s.Available) + " are available: no more can be taken back."
	}
	return refused
}
