package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/engine"
)

const (
	// recountReplays is how many acknowledged draws of a workload are asked for again.
	recountReplays = 2_000
	// recountMost is how many draws of one campaign are recounted. A judge remembers each of them, some 150 bytes; what measures batches
	// draws millions, and the draws of a campaign that is longer are judged up to there, its books for themselves.
	recountMost = 4_000_000
)

// recount judges what scenarios have drawn that measure capacity and keep no journal: it recounts the records of every campaign that
// they published at one daemon, holds the books and the number of acknowledged draws against it, and asks again for some of these.
type recount struct {
	control *control
	host    string
	compile func(file []byte) (*engine.Version, error)
	say     *console
	most    uint64 // draws of a campaign that are recounted

	since   string // cursor of the feed: what lies before was judged
	courses []*course
	proof   *Proof // of everything so far, at all daemons of the run
}

// course is a campaign that is drawn from, and by which workloads.
type course struct {
	rules   *oracle.Rules
	version uint32
	works   []coursework
}

// coursework is a workload, and which of its campaigns it is about.
type coursework struct {
	work     remembering
	campaign int
}

func newRecount(c *control, host string, compile func([]byte) (*engine.Version, error), say *console) *recount {
	return &recount{control: c, host: host, compile: compile, say: say, most: recountMost, proof: &Proof{Verdict: &oracle.Verdict{}}}
}

// at is a recount at another daemon of the same run; both add to one proof.
func (r *recount) at(c *control, host string) *recount {
	other := newRecount(c, host, r.compile, r.say)
	other.most, other.proof = r.most, r.proof
	return other
}

// publish makes a campaign live and remembers it.
func (r *recount) publish(ctx context.Context, f *campaignFile) error {
	file, err := f.encode()
	if err != nil {
		return err
	}
	rules, err := compileRules(r.compile, file)
	if err != nil {
		return err
	}
	version, err := r.control.publish(ctx, f.Campaign, file)
	if err != nil {
		return err
	}
	r.courses = append(r.courses, &course{rules: rules, version: version})
	return nil
}

// hear remembers who draws from campaigns.
func (r *recount) hear(work remembering, campaigns ...string) {
	for k, name := range campaigns {
		for _, c := range r.courses {
			if c.rules.Campaign == name {
				c.works = append(c.works, coursework{work, k})
			}
		}
	}
}

// judge recounts all campaigns that were published since it was asked last. Nobody may draw meanwhile.
func (r *recount) judge(ctx context.Context) error {
	if len(r.courses) == 0 {
		return nil
	}
	begin := time.Now()
	courts := make(map[string]*court, len(r.courses))
	again, err := r.again(ctx)
	if err != nil {
		return err
	}
	aggregates, err := r.control.aggregates(ctx)
	if err != nil {
		return err
	}
	for _, c := range r.courses {
		courts[c.rules.Campaign] = r.open(c, again, aggregates)
	}
	campaign := ""
	if len(r.courses) == 1 {
		campaign = r.courses[0].rules.Campaign
	}
	if r.since, err = r.control.feedFrom(ctx, r.since, campaign, func(it *oracle.Item) {
		if c := courts[string(it.Campaign)]; c != nil {
			c.item(it, r.most)
		}
		if r.proof.FeedItems++; r.proof.FeedItems%50_000 == 0 {
			r.say.now("recounting the records: %s …", count(r.proof.FeedItems))
		}
	}); err != nil {
		return err
	}
	acknowledged := map[remembering][]uint64{}
	for _, c := range r.courses {
		for _, w := range c.works {
			if acknowledged[w.work] == nil {
				acknowledged[w.work] = w.work.acknowledged()
			}
		}
		if err := r.close(ctx, c, courts[c.rules.Campaign], acknowledged); err != nil {
			return err
		}
	}
	r.courses = nil
	r.proof.Seconds += time.Since(begin).Seconds()
	return nil
}

// asked is a draw that was asked for again, and what came.
type asked struct {
	drawn
	course *course
	status int
	code   string
	replay bool
}

// askedAgain asks for draws again by their keys, one by one.
type askedAgain struct {
	host, key string
	all       []asked
	journals  map[*course]*journal
	faults    map[uint32]error
}

// again asks again for some draws of every workload.
func (r *recount) again(ctx context.Context) (*askedAgain, error) {
	a := &askedAgain{host: r.host, key: r.control.key, journals: map[*course]*journal{}, faults: map[uint32]error{}}
	seen := map[remembering]bool{}
	for _, c := range r.courses {
		for _, w := range c.works {
			if seen[w.work] {
				continue
			}
			seen[w.work] = true
			for _, d := range w.work.some(recountReplays, 1) {
				if of := r.courseOf(w.work, d.campaign); of != nil {
					a.all = append(a.all, asked{drawn: d, course: of})
				}
			}
		}
	}
	for _, c := range r.courses {
		a.journals[c] = newJournal(c.rules, len(a.all))
	}
	if len(a.all) == 0 {
		return a, nil
	}
	r.say.now("asking again for %s draws …", count(len(a.all)))
	_, err := load.Run(ctx, load.Options{Addr: r.host, Connections: 32}, load.Schedule{Requests: uint32(len(a.all)), Drain: time.Minute}, func(int) load.Workload { return a })
	return a, err
}

func (r *recount) courseOf(work remembering, campaign int) *course {
	for _, c := range r.courses {
		for _, w := range c.works {
			if w.work == work && w.campaign == campaign {
				return c
			}
		}
	}
	return nil
}

// AppendRequest implements load.Workload.
func (a *askedAgain) AppendRequest(dst []byte, id uint32, _ bool) []byte {
	d := &a.all[id]
	body := `{"user":"` + string(appendUser(nil, d.user)) + `"}`
	return fmt.Appendf(dst, "POST /v1/campaigns/%s/draws HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\nDrawd-Retry: 1\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s",
		d.course.rules.Campaign, a.host, bearer(a.key), d.drawn.key, len(body), body)
}

// Answer implements load.Workload.
func (a *askedAgain) Answer(id uint32, ans *load.Answer) (load.Class, time.Duration) {
	class, d := classOf(ans.Status), &a.all[id]
	if class == load.Refused && ans.Attempt < maxAttempts {
		return class, 10 * time.Millisecond
	}
	d.status = ans.Status
	if class != load.Decided {
		d.code = problemCode(ans.Body)
		return class, load.Done
	}
	d.replay = ans.Has(replayedHeader)
	if _, err := a.journals[d.course].acknowledge(id, ans.Body); err != nil {
		a.faults[id] = err
	}
	return class, load.Done
}

// Lost implements load.Workload.
func (a *askedAgain) Lost(_ uint32, attempt int) time.Duration {
	if attempt < 5 {
		return 10 * time.Millisecond
	}
	return load.Done
}

// court is the judge of one campaign.
type court struct {
	judge *oracle.Judge
	draws uint64
}

// item takes an item of the feed, unless it is a draw behind those that are recounted.
func (c *court) item(it *oracle.Item, most uint64) {
	if it.Kind == "draw" {
		if c.draws++; c.draws > most {
			return
		}
	} else if c.draws > most {
		return // its place in the order of all records is not known here
	}
	c.judge.Item(it)
}

// open begins the case of a campaign with what was answered when draws were asked for again.
func (r *recount) open(c *course, again *askedAgain, aggregates bool) *court {
	name := func(id uint32) string {
		return fmt.Sprintf("key %s of user %s", again.all[id].drawn.key, appendUser(nil, again.all[id].user))
	}
	k := oracle.Case{
		Rules: c.rules, Version: c.version, Hasher: oracle.NewHasher(), Name: name, Aggregates: aggregates,
		Answers: again.journals[c].answers(func(dst []byte, id uint32) []byte { return appendUser(dst, again.all[id].user) }),
	}
	k.Answers = slices.DeleteFunc(k.Answers, func(a oracle.Answer) bool { return a.Seq > r.most }) // where nothing is recounted
	j := &court{judge: oracle.NewJudge(k)}
	for i := range again.all {
		d := &again.all[i]
		if d.course != c {
			continue
		}
		r.proof.Replays++
		switch {
		case again.faults[uint32(i)] != nil:
			j.judge.Changed(uint32(i), again.faults[uint32(i)].Error())
		case d.status == 0:
			j.judge.Changed(uint32(i), "asked again, there is no answer")
		case classOf(d.status) != load.Decided:
			j.judge.Changed(uint32(i), fmt.Sprintf("asked again, it is answered with %d %s", d.status, d.code))
		case !d.replay:
			j.judge.Broken("lost", name(uint32(i))+": it was answered with a draw; asked again, it is a new one")
		default:
			r.proof.ReplaysSame++
		}
	}
	return j
}

// close ends the case of a campaign with its books and with how many draws were acknowledged.
func (r *recount) close(ctx context.Context, c *course, k *court, answered map[remembering][]uint64) error {
	seq, books, err := r.control.books(ctx, c.rules.Campaign)
	if err != nil {
		return err
	}
	if k.draws <= r.most {
		k.judge.Stock(seq, books)
	} else {
		r.partly(k, books)
	}
	var acknowledged uint64
	for _, w := range c.works {
		acknowledged += answered[w.work][w.campaign]
	}
	if acknowledged > k.draws {
		k.judge.Broken("lost", fmt.Sprintf("campaign %s: %d draws were acknowledged, its records have %d", c.rules.Campaign, acknowledged, k.draws))
	}
	v := k.judge.Verdict()
	v.Draws = k.draws
	r.add(v, acknowledged)
	return nil
}

// partly judges the books of a campaign of which not all draws were recounted.
func (r *recount) partly(k *court, books []oracle.Books) {
	for i := range books {
		b := &books[i]
		parts := b.Unreleased + b.Available + b.Reserved + b.Held + b.Issued + b.Expired + b.Withdrawn
		if !b.Unlimited && (parts != b.Total || b.Issued > b.Total || b.Available < 0) {
			k.judge.Broken("books", fmt.Sprintf("prize %s: the books are %+v", b.ID, *b))
		}
	}
	r.unjudged(fmt.Sprintf("of a campaign with %s draws the first %s were recounted, the books judged for themselves", count(k.draws), count(r.most)))
}

// add adds the verdict on a campaign to that on all.
func (r *recount) add(v *oracle.Verdict, acknowledged uint64) {
	all := r.proof.Verdict
	r.proof.Campaigns++
	all.Draws += v.Draws
	all.Wins += v.Wins
	all.Users += v.Users
	all.Found += v.Found
	all.Acknowledged += acknowledged
	r.unjudged(v.NotJudged...)
	for _, f := range v.Faults {
		all.Add(f.Rule, f.Detail)
	}
	for rule, n := range v.FaultCounts { // those that are not kept in words
		if seen := min(n, oracle.MaxFaults); n > seen {
			all.FaultCounts[rule] += n - seen
		}
	}
}

// unjudged says once what was not judged.
func (r *recount) unjudged(what ...string) {
	v := r.proof.Verdict
	for _, w := range what {
		if !slices.Contains(v.NotJudged, w) {
			v.NotJudged = append(v.NotJudged, w)
		}
	}
}

// result is what all recounts of a run came to: nil when nothing was drawn that has records. The error is a *VerdictError.
func (r *recount) result() (*Proof, error) {
	v := r.proof.Verdict
	if r.proof.Campaigns == 0 {
		return nil, nil
	}
	if v.Draws < MinVerdictDraws {
		r.unjudged(fmt.Sprintf("%s draws are fewer than the %s from which on odds and rare faults are worth a word", count(v.Draws), count(MinVerdictDraws)))
	}
	if !v.Right() {
		return r.proof, &VerdictError{v.Faults}
	}
	return r.proof, nil
}

// writeRecount writes the verdict of a run without a journal; why says why there is none.
func writeRecount(p *page, proof *Proof, why string) {
	if proof == nil {
		p.line("no verdict: %s", why)
		return
	}
	v := proof.Verdict
	p.line("")
	for _, n := range v.NotJudged {
		p.line("  not judged: %s", n)
	}
	basis := fmt.Sprintf("%s draws of %s campaigns recounted from their records; %s acknowledged; %s of %s asked again had the same outcome (%.1f s)",
		count(v.Draws), count(proof.Campaigns), count(v.Acknowledged), count(proof.ReplaysSame), count(proof.Replays), proof.Seconds)
	if v.Right() {
		p.line("VERDICT   right: wins = stock taken ≤ stock, nobody above a cap, one outcome per key, odds within 7 σ, no acknowledged draw lost")
		p.line("          %s", basis)
		return
	}
	p.line("VERDICT   WRONG: %s", faultSummary(v))
	for _, f := range v.Faults {
		p.line("  %-8s  %s", f.Rule, f.Detail)
	}
	p.line("          %s", basis)
}
