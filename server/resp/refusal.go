package resp

import (
	"strconv"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// Refusals are error replies: the code of the problem in capitals, what it says, and its members as name=value, so that a
// program can read them and a person too.
//
//	-CAPPED A cap is reached. cap=day used=3 limit=3 resets_at=2026-11-12T00:00:00.000Z allowed=0 effect=none request_id=r…

// redisCodes are the codes for which clients of Redis have a word already.
var redisCodes = map[problem.Code]string{
	problem.Unauthenticated:  "NOAUTH",
	problem.Forbidden:        "NOPERM",
	problem.ProxyWithoutKeys: "NOAUTH",
}

// refuse replies with a problem, after what waits for the log.
func (c *conn) refuse(code problem.Code, detail string) {
	facts := c.facts
	c.flush()
	c.facts = facts
	c.problemOf(code, detail)
}

// problemOf replies with a problem, to the command whose turn it is.
func (c *conn) problemOf(code problem.Code, detail string) {
	c.problem = render.Problem{Code: code, Detail: detail}
	c.tell()
}

// deny replies with the denial of a draw.
func (c *conn) deny(r *engine.Result) {
	name := ""
	if r.Code == problem.Capped {
		name = c.server.options.Engine.CapName(r)
	}
	c.facts.Cap = c.server.options.Engine.CapPlace(r)
	c.problem.Denied(r, name)
	c.tell()
}

// tell replies with c.problem.
func (c *conn) tell() { c.tellMore(nil) }

// tellMore replies with c.problem and further members.
func (c *conn) tellMore(members []byte) {
	p := &c.problem
	info := p.Code.Info()
	c.server.figures.problems[p.Code].Inc()
	c.facts.Code, c.facts.Seconds, c.facts.Index = p.Code, c.now.Unix(), c.server.options.Engine.AppliedIndex()
	c.id = c.server.sealer.Append(c.id[:0], &c.facts)
	code, ok := redisCodes[p.Code]
	if !ok {
		code = strings.ToUpper(info.Name)
	}
	said := p.Detail
	if said == "" {
		said = info.Title
	}
	b := append([]byte(nil), said...)
	number := func(name string, n uint64) { b = strconv.AppendUint(append(append(b, ' '), name...), n, 10) }
	at := func(name string, t engine.UnixMilli) {
		b = append(append(b, ' '), name...)
		if t == 0 {
			b = append(b, "never"...)
			return
		}
		b = time.UnixMilli(int64(t)).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	}
	switch p.Code {
	case problem.NotStarted:
		at("starts_at=", p.StartsAt)
	case problem.Capped:
		b = append(append(b, " cap="...), p.Cap...)
		number("used=", uint64(p.Used))
		number("limit=", uint64(p.Limit))
		at("resets_at=", p.ResetsAt)
		number("allowed=", uint64(p.Allowed))
	case problem.NoChances:
		number("allowed=", uint64(p.Allowed))
		number("remaining=", uint64(p.Remaining))
		number("price=", uint64(p.Price))
	}
	b = append(b, members...)
	b = append(append(b, " effect="...), p.Effect().String()...)
	b = append(append(b, " request_id="...), c.id...)
	c.out = appendError(c.out, code, string(b))
}
