package bench

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
)

// Proof says what was compared to reach a verdict.
type Proof struct {
	Replays     uint64          `json:"replays"`      // acknowledged draws that were asked for again with the same key
	ReplaysSame uint64          `json:"replays_same"` // of them, answered as replays with the same bytes
	ByID        uint64          `json:"by_id"`        // acknowledged draws that were read by id
	ByIDSame    uint64          `json:"by_id_same"`   // of them, with the same bytes
	FeedItems   uint64          `json:"feed_items"`   // records of the campaign
	Seconds     float64         `json:"seconds"`      // that the proof took
	Campaigns   int             `json:"campaigns"`    // of a recount: how many were judged
	Verdict     *oracle.Verdict `json:"verdict"`
}

// prover compares what a daemon says now with what was answered.
type prover struct {
	control  *control
	host     string // where requests are sent
	named    string // what they name as their host, when that is another
	campaign string
	version  uint32
	rules    *oracle.Rules
	journal  *journal
	template *template
	user     func(id uint32) uint32
	alone    bool
	say      *console

	exhausted uint64 // requests that were told that nothing is left
	effects   uint64 // denials that claimed an effect
}

// unknown returns the requests whose outcome is not known, though they were sent.
func (p *prover) unknown() []uint32 {
	var ids []uint32
	for i, s := range p.journal.state {
		if s == unknownOutcome {
			ids = append(ids, uint32(i))
		}
	}
	return ids
}

// resolve asks again, with the same keys, for every request whose outcome is not known.
func (p *prover) resolve(ctx context.Context, l *drawLoad) error {
	ids := p.unknown()
	if len(ids) == 0 {
		return nil
	}
	p.say.now("asking again for %s requests without an answer …", count(len(ids)))
	_, err := p.run(ctx, len(ids), func() load.Workload { return &again{drawLoad: l, ids: ids} })
	return err
}

// run sends n requests as fast as answers come.
func (p *prover) run(ctx context.Context, n int, work func() load.Workload) (*load.Stats, error) {
	if n == 0 {
		return nil, ctx.Err()
	}
	return load.Run(ctx, load.Options{Addr: p.host, Connections: 128},
		load.Schedule{Requests: uint32(n), Drain: 60 * time.Second}, func(int) load.Workload { return work() })
}

// oracleCase is what the judge is told of the answers so far.
func (p *prover) oracleCase() oracle.Case {
	return oracle.Case{
		Rules: p.rules, Version: p.version, Alone: p.alone, Unresolved: uint64(len(p.unknown())),
		Hasher: p.journal.hasher, Name: func(id uint32) string { return "key " + p.template.key(id) },
		Answers: p.journal.answers(func(dst []byte, id uint32) []byte { return appendUser(dst, p.user(id)) }),
	}
}

// acknowledged returns the requests that were answered with a draw.
func (p *prover) acknowledged() []uint32 { return p.sample(len(p.journal.state), 0) }

// prove judges the run: the bytes of every answer that still stand behind its key, a sample by id, then the feed.
func (p *prover) prove(ctx context.Context, replays, byID int, seed uint64) (*Proof, error) {
	begin := time.Now()
	proof := &Proof{}
	c := p.oracleCase()
	var err error
	if c.Aggregates, err = p.control.aggregates(ctx); err != nil {
		return nil, err
	}
	judge := oracle.NewJudge(c)

	again, read := p.sample(replays, seed), p.sample(byID, seed+1)
	p.say.now("asking again for %s acknowledged draws with their keys …", count(len(again)))
	proof.Replays = uint64(len(again))
	if proof.ReplaysSame, err = p.compare(ctx, again, false, judge.Changed); err != nil {
		return nil, err
	}
	p.say.now("reading %s draws by id …", count(len(read)))
	proof.ByID = uint64(len(read))
	if proof.ByIDSame, err = p.compare(ctx, read, true, judge.Changed); err != nil {
		return nil, err
	}

	if err := p.hear(ctx, judge, proof); err != nil {
		return nil, err
	}
	proof.Verdict = judge.Verdict()
	proof.Seconds = time.Since(begin).Seconds()
	p.say.clear()
	return proof, nil
}

// compare asks for acknowledged draws once more, by key or by id, and returns how many have the same bytes as before. It
// tells of each that has not.
func (p *prover) compare(ctx context.Context, ids []uint32, byID bool, changed func(id uint32, how string)) (uint64, error) {
	same := &sameBytes{prover: p, changed: changed, ids: ids, byID: byID}
	_, err := p.run(ctx, len(ids), func() load.Workload { return same })
	return same.same, err
}

// hear reads the records feed and the books into the judge.
func (p *prover) hear(ctx context.Context, judge *oracle.Judge, proof *Proof) error {
	if err := p.control.feed(ctx, p.campaign, func(it *oracle.Item) {
		judge.Item(it)
		if proof.FeedItems++; proof.FeedItems%50_000 == 0 {
			p.say.now("reading the records feed: %s …", count(proof.FeedItems))
		}
	}); err != nil {
		return err
	}
	seq, books, err := p.control.books(ctx, p.campaign)
	if err != nil {
		return err
	}
	judge.Stock(seq, books)
	if p.alone {
		judge.Exhausted(p.exhausted)
	}
	if p.effects > 0 {
		judge.Broken("effect", fmt.Sprintf("%d denials did not say effect none", p.effects))
	}
	return nil
}

// sample returns up to n acknowledged requests, chosen by the seed.
func (p *prover) sample(n int, seed uint64) []uint32 {
	var ids []uint32
	for i, s := range p.journal.state {
		if s == acknowledged {
			ids = append(ids, uint32(i))
		}
	}
	if n >= len(ids) {
		return ids
	}
	rng := rand.New(rand.NewPCG(seed, 0x73616d706c65))
	for i := range n {
		j := i + rng.IntN(len(ids)-i)
		ids[i], ids[j] = ids[j], ids[i]
	}
	ids = ids[:n]
	slices.Sort(ids)
	return ids
}

// sameBytes asks for acknowledged draws once more, by key or by id, and compares the bytes.
type sameBytes struct {
	*prover
	changed func(id uint32, how string)
	ids     []uint32
	byID    bool
	same    uint64
}

// AppendRequest implements load.Workload.
func (s *sameBytes) AppendRequest(dst []byte, i uint32, _ bool) []byte {
	id := s.ids[i]
	if !s.byID {
		return s.template.appendTo(dst, id, s.user(id), true)
	}
	return fmt.Appendf(dst, "GET /v1/draws/%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", s.journal.drawID(id), cmp.Or(s.named, s.host), bearer(s.control.key))
}

// Answer implements load.Workload.
func (s *sameBytes) Answer(i uint32, a *load.Answer) (load.Class, time.Duration) {
	class, id := classOf(a.Status), s.ids[i]
	if class == load.Refused && a.Attempt < maxAttempts {
		return class, 10 * time.Millisecond
	}
	switch {
	case class != load.Decided && s.byID:
		s.changed(id, fmt.Sprintf("draw %s is answered with %d %s", s.journal.drawID(id), a.Status, problemCode(a.Body)))
	case class != load.Decided:
		s.changed(id, fmt.Sprintf("asked again, it is answered with %d %s", a.Status, problemCode(a.Body)))
	case s.journal.hasher.Hash(a.Body) != s.journal.body[id]:
		s.changed(id, fmt.Sprintf("the answer has other bytes than the first one: %.300s", a.Body))
	case !s.byID && !a.Has(replayedHeader):
		s.changed(id, "asked again, the answer is not marked as a replay")
	default:
		s.same++
	}
	return class, load.Done
}

// Lost implements load.Workload.
func (s *sameBytes) Lost(i uint32, attempt int) time.Duration {
	if attempt < 5 {
		return 10 * time.Millisecond
	}
	s.changed(s.ids[i], "asked again, there is no answer")
	return load.Done
}
