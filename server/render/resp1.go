package render

import (
	"strconv"

	"github.com/drawd/drawd/engine"
)

// appendDrawRESP1 is renderer 1, RESP: an array of names and values, as HGETALL has them (docs/resp.md). Frozen like the
// other forms. A member that a draw does not have is not there, but for the prize of a miss, which is null.
func appendDrawRESP1(dst []byte, s *subdraw) []byte {
	r := s.record
	m := respMembers{dst: appendRESPHead(dst, 0)}
	start, head := len(dst), len(m.dst)-len(dst)
	outcome := "win"
	if r.Prize == engine.NoPrize {
		outcome = "miss"
	}
	m.text("outcome", outcome)
	if r.Prize == engine.NoPrize {
		m.null("prize")
	} else {
		m.prize("prize", s, r.Prize, r.Amount, false)
	}
	if extra := s.extra(); extra != engine.NoPrize {
		m.prize("extra", s, extra, r.ExtraAmount.Amount, true)
	}
	var id [64]byte
	m.text("draw", string(s.ids.AppendID(id[:0], engine.IDDraw, s.at)))
	m.number("seq", int64(r.Seq))
	m.number("version", int64(r.Version))
	m.number("at", int64(r.At))
	if slot := slot1(s.version, r); slot >= 0 {
		m.number("slot", int64(slot))
	}
	if h, until, ok := s.hold(); ok {
		m.text("hold", string(s.appendHoldID(id[:0], h)))
		m.number("hold_expires_at", int64(until))
	}
	// The head says how many members there are, and that is known only now: 6 to 15 of two elements each, so two digits.
	copy(m.dst[start:start+head], appendRESPHead(nil, 2*m.n))
	return m.dst
}

// appendRESPHead appends an array's head with two digits.
func appendRESPHead(dst []byte, n int) []byte {
	return append(dst, '*', byte('0'+n/10), byte('0'+n%10), '\r', '\n')
}

type respMembers struct {
	dst []byte
	n   int
}

func (m *respMembers) text(name, value string) {
	m.dst = appendRESPBulk(appendRESPBulk(m.dst, name), value)
	m.n++
}

func (m *respMembers) null(name string) {
	m.dst = append(appendRESPBulk(m.dst, name), "$-1\r\n"...)
	m.n++
}

func (m *respMembers) number(name string, n int64) {
	m.dst = append(appendRESPBulk(m.dst, name), ':')
	m.dst = append(strconv.AppendInt(m.dst, n, 10), '\r', '\n')
	m.n++
}

// prize tells a prize that was won: its id, what it pays and its code. Those of an extra prize have its name before theirs.
func (m *respMembers) prize(name string, s *subdraw, prize int, amount int64, extra bool) {
	p, before := &s.version.Prizes[prize], ""
	if extra {
		before = name + "_"
	}
	m.text(name, p.ID)
	if amount == 0 {
		amount = p.Amount
	}
	if amount > 0 && p.Kind == engine.KindChance {
		m.number(before+"chances", amount)
	} else if amount > 0 {
		m.number(before+"amount", amount)
	}
	if code, ok := s.code(prize, extra); ok {
		m.text(before+"code", string(code))
	}
}

func appendRESPBulk(dst []byte, s string) []byte {
	dst = append(strconv.AppendInt(append(dst, '$'), int64(len(s)), 10), '\r', '\n')
	return append(append(dst, s...), '\r', '\n')
}

// AppendRESP appends the answer in its RESP form: the array of the only sub-draw, or an array of them when the request
// named "times".
func (a *Answer) AppendRESP(dst []byte) ([]byte, error) {
	rest := a.Records
	a.Wins, a.Unfunded = 0, 0
	for i := range a.Count {
		n, by, err := a.load(rest, i)
		if err != nil {
			return dst, err
		}
		if a.record.Listed && i == 0 {
			dst = append(strconv.AppendInt(append(dst, '*'), int64(a.Count), 10), '\r', '\n')
		}
		dst = by.resp(dst, &a.draw)
		rest = rest[n:]
	}
	return dst, nil
}
