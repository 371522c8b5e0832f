package bench

import (
	"bytes"
	"fmt"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
)

// The states of a request.
const (
	openRequest    uint8 = iota // no final answer yet
	acknowledged                // answered with a draw
	deniedRequest               // refused for good
	brokenOff                   // given up, or answered with something else
	unknownOutcome              // open, and it may have been decided: it was written at least once
)

// journal remembers what each request was answered with. Row i is written by the loop that sends request i and by
// nobody else; it is read when the loops have ended.
type journal struct {
	hasher oracle.Hasher
	rules  *oracle.Rules
	prizes map[string]int16

	state []uint8
	prize []int16
	seq   []uint64
	body  []uint64
	draw  []byte // drawBytes each
}

const drawBytes = 27 // of a draw's id

func newJournal(rules *oracle.Rules, n int) *journal {
	j := &journal{
		hasher: oracle.NewHasher(), rules: rules, prizes: map[string]int16{},
		state: make([]uint8, n), prize: make([]int16, n), seq: make([]uint64, n), body: make([]uint64, n), draw: make([]byte, n*drawBytes),
	}
	for i := range rules.Prizes {
		j.prizes[rules.Prizes[i].ID] = int16(i)
	}
	return j
}

// acknowledge notes the answer to request id: a 200 with one draw. It reports whether the draw is a win.
func (j *journal) acknowledge(id uint32, body []byte) (win bool, err error) {
	d, err := scanDraw(body)
	if err != nil {
		return false, err
	}
	j.prize[id] = oracle.Miss
	if d.win {
		prize, known := j.prizes[string(d.prize)]
		if !known {
			prize = oracle.Unknown
		}
		j.prize[id] = prize
	}
	copy(j.draw[int(id)*drawBytes:], d.id)
	j.seq[id], j.body[id], j.state[id] = d.seq, j.hasher.Hash(body), acknowledged
	return d.win, nil
}

func (j *journal) drawID(id uint32) []byte { return j.draw[int(id)*drawBytes : (int(id)+1)*drawBytes] }

// answers returns the acknowledged draws for the judge. user names the user of a request.
func (j *journal) answers(user func(dst []byte, id uint32) []byte) []oracle.Answer {
	n := 0
	for _, s := range j.state {
		if s == acknowledged {
			n++
		}
	}
	all := make([]oracle.Answer, 0, n)
	var buf []byte
	for i, s := range j.state {
		if s != acknowledged {
			continue
		}
		id := uint32(i)
		buf = user(buf[:0], id)
		all = append(all, oracle.Answer{
			Seq: j.seq[i], Draw: j.hasher.Hash(j.drawID(id)), User: j.hasher.Hash(buf), Request: id, Prize: j.prize[i],
		})
	}
	return all
}

// tally counts the requests in each state.
func (j *journal) tally() (counts [unknownOutcome + 1]uint64) {
	for _, s := range j.state {
		counts[s]++
	}
	return counts
}

// scanned is what a client needs of a draw's answer.
type scanned struct {
	id    []byte
	seq   uint64
	win   bool
	prize []byte
}

// scanDraw reads a draw's answer without building a tree of it: the members it looks for stand in a fixed order, before
// anything that a campaign's author wrote.
func scanDraw(body []byte) (d scanned, err error) {
	bad := func(what string) (scanned, error) {
		return scanned{}, fmt.Errorf("bench: an answer of 200 without %s: %.200q", what, body)
	}
	rest, ok := after(body, `"draw":"`)
	if !ok || len(rest) <= drawBytes || rest[0] != 'd' || rest[drawBytes] != '"' {
		return bad("a draw's id")
	}
	d.id = rest[:drawBytes]
	if rest, ok = after(rest, `"seq":`); !ok {
		return bad("seq")
	}
	for len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' {
		d.seq = d.seq*10 + uint64(rest[0]-'0')
		rest = rest[1:]
	}
	if rest, ok = after(rest, `"outcome":"`); !ok || d.seq == 0 {
		return bad("outcome")
	}
	switch {
	case bytes.HasPrefix(rest, []byte(`miss"`)):
		return d, nil
	case !bytes.HasPrefix(rest, []byte(`win"`)):
		return bad("an outcome of win or miss")
	}
	d.win = true
	if rest, ok = after(rest, `"prize":{"id":"`); !ok {
		return bad("a prize")
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return bad("a prize")
	}
	d.prize = rest[:end]
	return d, nil
}

func after(b []byte, mark string) ([]byte, bool) {
	i := bytes.Index(b, []byte(mark))
	if i < 0 {
		return nil, false
	}
	return b[i+len(mark):], true
}

// problemCode returns the code of a problem document.
func problemCode(body []byte) string {
	rest, ok := after(body, `"code":"`)
	if !ok {
		return "no code"
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return "no code"
	}
	return string(rest[:end])
}

// classOf sorts an answer by its status.
func classOf(status int) load.Class {
	switch {
	case status/100 == 2:
		return load.Decided
	case status == 409:
		return load.Denied
	case status == 429 || status == 503 || status == 504:
		return load.Refused
	}
	return load.Failed
}
