package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

// pipelined is how many draws a pipeline carries, on both sides.
const pipelined = 16

// Peers measures drawd beside an empty handler, Redis with a Lua script at four levels of durability, and Postgres with one
// transaction: in one run, in turn, Redis by the same generator, Postgres by its own.
func Peers(ctx context.Context, o TableOptions) (*TableReport, error) {
	method := fmt.Sprintf("closed loop, all on this machine in turn; pipelines of %d; Postgres by pgbench with %d clients, prepared; the others by this generator", pipelined, postgresClients)
	return runTable(ctx, "peers", method, o, func(ctx context.Context, t *tableRun) error {
		t.report.Target, t.report.Durable = "http, resp, redis, postgres", "as each row says"
		all, err := t.peers(ctx)
		if err != nil {
			return err
		}
		if err := t.contest(ctx, all); err != nil {
			return err
		}
		t.ratios()
		return nil
	})
}

// peers starts everything that is measured.
func (t *tableRun) peers(ctx context.Context) ([]contender, error) {
	campaign, err := t.f.publish(ctx, steadyCampaign(t.o.Users, time.Now()))
	if err != nil {
		return nil, err
	}
	e, err := startEmpty(&t.o.Environment, drawBodyBytes)
	if err != nil {
		return nil, err
	}
	t.stops = append(t.stops, func() error { e.kill(); return nil })
	all := []contender{
		closedContender(contender{id: "empty", name: "empty fasthttp handler"}, closedLoop{server: e.child, opts: load.Options{Addr: e.addr, Connections: t.o.Connections}}, 1,
			newPlainLoad(e.addr)(0)),
		t.unary(contender{id: "drawd.http", name: "drawd, HTTP, fsync before every answer"}, []string{campaign}, t.o.Users, t.o.Connections),
		t.resp(contender{id: "drawd.resp", name: "drawd, RESP, fsync before every answer"}, campaign, 1),
		t.resp(contender{id: "drawd.resp.pipelined", name: "drawd, RESP, pipelined"}, campaign, pipelined),
		t.batch(contender{id: "drawd.batch", name: fmt.Sprintf("drawd, HTTP, binary, %d draws a request", t.o.BatchDraws)}, campaign, t.o.BatchDraws, t.o.Users, true),
	}
	for _, mode := range redisModes {
		c, err := t.redis(ctx, mode)
		if err != nil {
			return nil, err
		}
		all = append(all, c...)
	}
	c := contender{id: "postgres", name: "Postgres, one transaction, fsync before every answer", note: "by pgbench, its own generator, written in C"}
	p, err := startPostgres(ctx, &t.o.Environment)
	switch {
	case errors.Is(err, errNotInstalled):
		return append(all, c.missing(err.Error())), nil
	case err != nil:
		return nil, err
	}
	t.stops = append(t.stops, p.stop)
	c.measure = p.measure
	return append(all, c), nil
}

// redis are the contenders of one mode: unary and pipelined.
func (t *tableRun) redis(ctx context.Context, mode redisMode) ([]contender, error) {
	plain, piped := contender{id: mode.id, name: mode.name, note: mode.note}, contender{id: mode.id + ".pipelined", name: mode.name + ", pipelined"}
	t.f.say.now("starting %s …", mode.name)
	p, err := startRedis(ctx, &t.o.Environment, mode)
	if errors.Is(err, errNotInstalled) {
		return []contender{plain.missing(err.Error()), piped.missing(err.Error())}, nil
	}
	if err != nil {
		return nil, err
	}
	t.stops = append(t.stops, p.stop)
	made := func(c contender, draws int) contender {
		work := newRedisLoad(p, uint32(t.o.Users), draws)
		return closedContender(c, closedLoop{server: p, opts: load.Options{Addr: p.addr, Connections: t.respConnections(draws), Replies: work.replies()}}, draws, work)
	}
	return []contender{made(plain, 1), made(piped, pipelined)}, nil
}

// ratios adds what the table is read for: drawd's rate over a peer's, turn by turn.
func (t *tableRun) ratios() {
	for _, r := range []struct{ id, name, goal, over, under string }{
		{"P1", "drawd over HTTP ÷ empty handler", "≥ 0.75", "drawd.http", "empty"},
		{"P2", "drawd over HTTP ÷ Redis, AOF always", "≥ 3", "drawd.http", "redis.always"},
		{"resp", "drawd over RESP ÷ Redis, AOF always", "", "drawd.resp", "redis.always"},
		{"resp.pipelined", "the same, pipelined", "", "drawd.resp.pipelined", "redis.always.pipelined"},
		{"batch", "drawd in batches ÷ Redis, AOF always, pipelined", "", "drawd.batch", "redis.always.pipelined"},
		{"P13", "drawd over HTTP ÷ Postgres", "reported", "drawd.http", "postgres"},
	} {
		over, under := samplesOf(t.report.Rows, r.over, "rate"), samplesOf(t.report.Rows, r.under, "rate")
		if len(over) == 0 || len(over) != len(under) {
			continue
		}
		samples := make([]float64, len(over))
		for i := range over {
			samples[i] = over[i] / under[i]
		}
		t.report.Rows = append(t.report.Rows, runfile.Figure{ID: r.id, Name: r.name, Goal: r.goal, Measures: []runfile.Measure{runfile.NewMeasure("ratio", "share", runfile.Higher, samples)}})
	}
}

// samplesOf returns a row's samples of a measure; none where there is no such row or measure.
func samplesOf(rows []runfile.Figure, id, measure string) []float64 {
	for i := range rows {
		for k := range rows[i].Measures {
			if rows[i].ID == id && rows[i].Measures[k].Name == measure {
				return rows[i].Measures[k].Samples
			}
		}
	}
	return nil
}
