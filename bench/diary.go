package bench

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
)

// tally is what a workload has counted so far.
type tally struct {
	logged, won, denied, refused, errors uint64
	byPrize                              []uint64
}

// diary makes a row of each second, while the run goes on: the loops hand it their seconds without waiting, one goroutine
// merges them. A row is complete when every loop has told of its second or of a later one.
type diary struct {
	loops  int
	prizes []oracle.Prize
	each   func(*runfile.Second) // is told of each complete row, in order

	raw func(*entry) // is told of what the loops told, before it is merged; nil for nobody

	resident func() int64 // memory of the server; nil where it is not known

	mu struct {
		sync.Mutex
		inbox []entry // told and not yet merged; a few seconds of it at most
	}
	wake  chan struct{}
	done  chan struct{}
	ended sync.WaitGroup

	// The rest belongs to the goroutine, and after stop to the caller.
	open   map[int]*openSecond
	last   []int // by loop: the newest second it told of; -1 for none
	before []tally
	rows   []runfile.Second
	begun  time.Time
	log    bytes.Buffer
	hlog   *runfile.HLog
	fault  error
}

// entry is one loop's second.
type entry struct {
	second load.Second
	so     tally
	gone   bool // the loop tells nothing more
}

// openSecond is a second that not every loop has told of yet.
type openSecond struct {
	row     runfile.Second
	length  time.Duration
	latency *hdr.Histogram
	wins    []uint64
}

func newDiary(loops int, rules *oracle.Rules, each func(*runfile.Second)) *diary {
	d := &diary{
		loops: loops, each: each, wake: make(chan struct{}, 1), done: make(chan struct{}), open: map[int]*openSecond{},
		last: slices.Repeat([]int{-1}, loops), before: make([]tally, loops),
	}
	if rules != nil {
		d.prizes = rules.Prizes
	}
	return d
}

// start begins to merge the seconds of a run that begins now.
func (d *diary) start() {
	d.begun = time.Now()
	d.ended.Go(d.run)
}

// tell is called by a loop, on its thread.
func (d *diary) tell(s load.Second, so tally) { d.enter(entry{second: s, so: so}) }

// gone says that loops tell nothing more: no row waits for them.
func (d *diary) gone(first, loops int) {
	for loop := first; loop < first+loops; loop++ {
		d.enter(entry{second: load.Second{Loop: loop, At: 1 << 30}, gone: true})
	}
}

// enter hands over what a loop told.
func (d *diary) enter(e entry) {
	d.mu.Lock()
	d.mu.inbox = append(d.mu.inbox, e)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// stop merges what is left.
func (d *diary) stop() {
	close(d.done)
	d.ended.Wait()
	d.merge()
	d.turn(1 << 62)
}

func (d *diary) run() {
	for {
		select {
		case <-d.wake:
			d.advance()
		case <-d.done:
			return
		}
	}
}

// advance merges what there is and closes the seconds that every loop has told of.
func (d *diary) advance() {
	d.merge()
	d.turn(slices.Min(d.last))
}

// merge takes over what the loops have told.
func (d *diary) merge() {
	d.mu.Lock()
	inbox := d.mu.inbox
	d.mu.inbox = nil
	d.mu.Unlock()
	for i := range inbox {
		d.hear(&inbox[i])
	}
}

func (d *diary) hear(e *entry) {
	s := &e.second
	if e.gone {
		d.last[s.Loop] = s.At
		return
	}
	if d.raw != nil {
		d.raw(e)
	}
	o := d.open[s.At]
	if o == nil {
		o = &openSecond{row: runfile.Second{At: s.At}, latency: load.NewHistogram(), wins: make([]uint64, len(d.prizes))}
		d.open[s.At] = o
	}
	r, was := &o.row, &d.before[s.Loop]
	r.Offered += s.Due
	r.Sent += s.Sent
	for _, n := range s.Answered {
		r.Answered += n
	}
	r.Logged += e.so.logged - was.logged
	r.Won += e.so.won - was.won
	r.Denied += e.so.denied - was.denied
	r.Refused += e.so.refused - was.refused
	r.Errors += e.so.errors - was.errors
	r.Busy = max(r.Busy, s.Busy)
	r.Waiting += s.Waiting
	o.length = max(o.length, s.Length)
	for i := range e.so.byPrize {
		o.wins[i] += e.so.byPrize[i]
		if i < len(was.byPrize) {
			o.wins[i] -= was.byPrize[i]
		}
	}
	if s.Histogram != nil {
		o.latency.Merge(s.Histogram)
	}
	d.before[s.Loop] = e.so
	d.last[s.Loop] = max(d.last[s.Loop], s.At)
}

// turn closes the seconds up to the given one.
func (d *diary) turn(upTo int) {
	var closing []*openSecond
	for at, o := range d.open {
		if at <= upTo {
			closing = append(closing, o)
			delete(d.open, at)
		}
	}
	slices.SortFunc(closing, func(a, b *openSecond) int { return cmp.Compare(a.row.At, b.row.At) })
	for _, o := range closing {
		d.close(o)
	}
}

// close makes the row of a second.
func (d *diary) close(o *openSecond) {
	r := &o.row
	if o.latency.TotalCount() > 0 {
		v := o.latency.ValueAtPercentilesSlice([]float64{50, 90, 99, 99.9})
		r.P50, r.P90, r.P99, r.P999, r.Max = v[0], v[1], v[2], v[3], o.latency.Max()
	}
	r.Left = d.left(o.wins)
	if d.resident != nil {
		r.Resident = d.resident()
	}
	d.rows = append(d.rows, *r)
	if d.hlog == nil {
		d.hlog, d.fault = runfile.NewHLog(&d.log, d.begun)
	}
	if d.fault == nil {
		d.fault = d.hlog.Interval("latency", time.Duration(r.At)*time.Second, o.length, o.latency)
	}
	if d.each != nil {
		d.each(r)
	}
}

// left returns what each prize has left after the wins of one more second.
func (d *diary) left(wins []uint64) []int64 {
	if len(d.prizes) == 0 {
		return nil
	}
	left := make([]int64, len(d.prizes))
	for i := range d.prizes {
		p := &d.prizes[i]
		switch {
		case p.Stock < 0:
			left[i] = -1
		case len(d.rows) > 0:
			left[i] = d.rows[len(d.rows)-1].Left[i] - int64(wins[i])*p.Units
		default:
			left[i] = p.Stock - int64(wins[i])*p.Units
		}
	}
	return left
}

// histograms returns the log of the seconds' histograms.
func (d *diary) histograms() ([]byte, error) {
	if d.fault != nil || d.hlog == nil {
		return nil, d.fault
	}
	if err := d.hlog.Flush(); err != nil {
		return nil, err
	}
	return d.log.Bytes(), nil
}
