package dataplane

import (
	"bytes"
	"strconv"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// batchWork is what a request for many draws needs beyond a worker. It is pooled apart from them: it is much larger.
//
// Items are taken one by one while the body is read: what is known of an item is noted here, and what only the log can
// tell goes into the worker's batch. If the body turns out to be unsound further on, nothing was dispatched.
type batchWork struct {
	items  []batchItem
	known  []engine.Result // of items that committed facts answered
	faults []itemFault
	from   int32         // where the item in hand begins in a JSON body
	draws  int           // sub-draws so far; never less than items
	batch  *engine.Batch // stands in for the worker's, which stays small

	// The last item's campaign: most batches are of one.
	id       []byte
	campaign *engine.Campaign
	code     problem.Code // why it cannot be drawn from

	// Looking at committed facts costs a lock for each item, and pays only while it finds something: patience is how many looks
	// without an answer a batch takes. It outlives the batch, since the next one mostly finds what this one found.
	peeks, found, patience int
}

// batchItem is one draw of a batch. at is its place in the worker's batch, in known or in faults.
type batchItem struct {
	campaign *engine.Campaign
	at       int32
	user     uint16 // for the request id of a refusal
	times    uint8
	answered answeredBy
	from     int32 // where it begins in a JSON body
}

// answeredBy says who answers an item.
type answeredBy uint8

const (
	byLog answeredBy = iota
	byFacts
	byFault
)

// itemFault is a refusal of one item because of what was sent.
type itemFault struct {
	code  problem.Code
	fault fault // of UnknownField and InvalidField
}

// How long committed facts are looked at without an answer: the first items, at most maxPatience, half as many after a batch in
// which none was found, at least one; and then one answer pays for probeEvery looks.
const (
	maxPatience = 16
	probeEvery  = 8
)

func (b *batchWork) reset() {
	if b.found > 0 {
		b.patience = maxPatience
	} else if b.peeks >= b.patience {
		b.patience = max(b.patience/2, 1)
	}
	clear(b.items)
	clear(b.faults)
	b.items, b.known, b.faults = b.items[:0], b.known[:0], b.faults[:0]
	b.draws, b.id, b.campaign, b.code, b.peeks, b.found = 0, nil, nil, problem.OK, 0, 0
}

// drawBatch answers POST /v1/draws:batch, in the form in which it was asked.
func (w *worker) drawBatch() {
	b := w.server.batches.Get().(*batchWork)
	b.batch, w.batch = w.batch, b.batch
	w.answerBatch(b)
	// Not after a panic: then neither is used again.
	b.batch, w.batch = w.batch, b.batch
	b.reset()
	w.server.batches.Put(b)
}

func (w *worker) answerBatch(b *batchWork) {
	w.batch.Reset()
	binary := w.head.content == contentBatch
	switch {
	case binary:
		if !w.takeBinary(b, w.sent()) {
			return
		}
	case w.head.content == contentJSON:
		if !w.takeJSON(b) {
			return
		}
	default:
		w.refuse(problem.UnsupportedMediaType, "Content-Type must be application/json or application/vnd.drawd.batch.")
		return
	}
	if len(b.items) == 0 || b.draws > engine.MaxBatchDraws {
		w.invalid("/draws", whats[isCount].code, whats[isCount].message)
		return
	}
	if engine.EntryHeaderSize+len(w.batch.Commands()) > engine.MaxEntryBytes {
		w.refuse(problem.BodyTooLarge, "With their attributes the draws do not fit into one entry of the log: send fewer at once.")
		return
	}
	if w.batch.Len() > 0 {
		if !w.inTime() || !w.decide() {
			return
		}
		w.decideStale(b)
		w.sayIndex(w.batch.Index)
	}
	if binary {
		w.sendBinary(b)
		return
	}
	w.sendJSON(b)
}

// takeJSON reads {"draws":[…]}; false when it refused.
func (w *worker) takeJSON(b *batchWork) bool {
	s := &w.scanner
	s.reset(w.sent())
	if s.space() != '{' {
		if !s.skip(1) || !s.end() {
			w.badJSON()
		} else {
			w.invalid("", whats[isNotObject].code, whats[isNotObject].message)
		}
		return false
	}
	s.i++
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !ok || more && !s.unique(0, name) || more && !w.takeMember(b, name) || !more && !s.end() {
			w.badJSON()
			return false
		}
		if !more {
			break
		}
	}
	if len(w.problem.Errors) > 0 {
		code := problem.InvalidField
		if w.problem.Errors[0].Code == whats[isUnknown].code {
			code = problem.UnknownField
		}
		w.refuse(code, "")
		return false
	}
	return true
}

// takeMember reads one member of the batch's body. What is wrong with it goes into w.problem.Errors.
func (w *worker) takeMember(b *batchWork, name []byte) bool {
	s := &w.scanner
	if string(name) != "draws" {
		if len(w.problem.Errors) < maxFaults {
			w.body.begin()
			w.body.add(fault{field: fieldUnknown, what: isUnknown, name: name})
			w.problem.Errors = w.body.tell(w.problem.Errors, "")
		}
		return s.skip(2)
	}
	if s.space() != '[' {
		w.problem.Errors = append(w.problem.Errors, render.FieldError{Pointer: "/draws", Code: whats[isNotList].code, Message: whats[isNotList].message})
		return s.skip(2)
	}
	s.i++
	keyer := w.grant.Namespace.Keyer()
	for first := true; ; first = false {
		more, ok := s.more(first, ']')
		if !more {
			return ok
		}
		w.body.begin()
		s.space()
		b.from = int32(s.i)
		if s.space() == '{' {
			ok = s.drawObject(&w.body, 3, true)
		} else {
			w.body.wrong(fieldBody, isNotObject)
			ok = s.skip(3)
		}
		if !ok {
			return false
		}
		w.takeItem(b, &keyer)
	}
}

// takeItem takes w.body as the next item. Beyond the bound of a batch it only counts: the request will be refused.
func (w *worker) takeItem(b *batchWork, keyer *engine.Keyer) {
	body := &w.body
	b.draws += int(body.times)
	if len(b.items) > engine.MaxBatchDraws {
		return
	}
	item := batchItem{times: body.times, from: b.from}
	w.checkPattern()
	if body.faults > 0 {
		b.fault(&item, itemFault{body.code(), body.fault[0]})
		return
	}
	if b.id == nil || !bytes.Equal(b.id, body.campaign) {
		b.find(w, body.campaign)
	}
	if item.campaign = b.campaign; b.code != problem.OK {
		b.fault(&item, itemFault{code: b.code})
		return
	}
	w.fill(&w.command, body, b.campaign, keyer, body.key)
	w.who.checked, w.who.many = false, true
	if f, sound := w.stamp(b.campaign, keyer, body.key); !sound {
		b.fault(&item, itemFault{f.code(), f})
		return
	}
	item.user = w.facts.User
	if r, ok := b.peek(w); ok {
		item.answered, item.at = byFacts, int32(len(b.known))
		b.known = append(b.known, r)
	} else {
		item.at = int32(w.batch.Len())
		w.batch.AddDraw(&w.command)
	}
	b.items = append(b.items, item)
}

func (b *batchWork) fault(item *batchItem, f itemFault) {
	item.answered, item.at = byFault, int32(len(b.faults))
	b.faults = append(b.faults, f)
	b.items = append(b.items, *item)
}

// find makes the campaign with this id the current one.
func (b *batchWork) find(w *worker, id []byte) {
	b.id, b.code = id, problem.OK
	if b.campaign = nil; !w.grant.AllowsCampaign(id) {
		b.code = problem.Forbidden
		return
	}
	c, refused := w.grant.Campaign(id)
	b.campaign, b.code = c, refused.Code
}

// peek looks for an answer to w.command in committed facts, as long as that pays.
func (b *batchWork) peek(w *worker) (r engine.Result, ok bool) {
	if b.peeks >= b.patience+b.found*probeEvery {
		return r, false
	}
	b.peeks++
	r, ok = w.server.options.Engine.Peek(&w.command, engine.UnixMilli(w.now.UnixMilli()))
	if !ok || r.StaleStamp() || !r.Replayed && !settled(r.Code) && (w.head.retry || w.outdated()) {
		return r, false
	}
	if r.Code == problem.NoChances && w.batch.Len() > 0 {
		return r, false // a draw before it, which the log has not seen, may win him some
	}
	b.found++
	return r, true
}

// result returns what became of an item that the log or committed facts answered.
func (w *worker) result(b *batchWork, item *batchItem) *engine.Result {
	if item.answered == byFacts {
		return &b.known[item.at]
	}
	return &w.batch.Results[item.at]
}

// open makes w.answer the decision of an item; false when it is a refusal, which is then in w.problem.
func (w *worker) open(b *batchWork, index int) (replayed, ok bool) {
	item := &b.items[index]
	w.facts = render.Facts{User: item.user}
	if item.campaign != nil {
		w.facts.Campaign = item.campaign.Ref()
	}
	if item.answered == byFault {
		w.itemProblem(&b.faults[item.at], index)
		return false, false
	}
	r := w.result(b, item)
	if r.StaleStamp() {
		w.problem = render.Problem{Code: problem.Overloaded, Detail: staleDetail}
		w.newRequestID()
		return false, false
	}
	if r.Code != problem.OK {
		if item.answered == byFacts {
			w.server.figures.facts.Inc()
		} else {
			w.server.figures.logged.Inc()
		}
		w.denied(r)
		return false, false
	}
	if item.decidedApart(r) {
		return false, w.loadDecided(item, r)
	}
	if !r.Replayed {
		a := &w.answer
		a.Campaign, a.At, a.Count = item.campaign, r.At, int(r.Records)
		a.Records = w.batch.Records[r.Offset : r.Offset+r.Length]
		return false, true
	}
	if err := w.load(item.campaign, r.At, int(item.times)); err != nil {
		w.lost(err)
		return false, false
	}
	w.server.figures.replays.Inc()
	return true, true
}

// lost makes w.problem say that a decided draw cannot be shown.
func (w *worker) lost(err error) {
	refusal := refusalOf(err)
	if refusal.Code == problem.Internal {
		w.server.options.Logger.Error("the record of a decided draw cannot be shown", "error", err)
	}
	w.problem = render.Problem{Code: refusal.Code}
	w.newRequestID()
}

// itemProblem makes w.problem the refusal of a faulty item.
func (w *worker) itemProblem(f *itemFault, index int) {
	w.problem = render.Problem{Code: f.code, Errors: w.problem.Errors[:0]}
	if f.code == problem.UnknownField || f.code == problem.InvalidField {
		w.body.begin()
		w.body.add(f.fault)
		w.problem.Errors = w.body.tell(w.problem.Errors, "/draws/"+strconv.Itoa(index))
	}
	w.newRequestID()
}

// sendJSON answers with {"results":[…]}.
func (w *worker) sendJSON(b *batchWork) {
	buf := append(w.buf[:0], `{"results":[`...)
	for i := range b.items {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = w.appendItem(buf, b, i)
	}
	w.buf = append(buf, `]}`...)
	w.send(200, typeJSON)
}

// appendItem appends the result of one item.
func (w *worker) appendItem(buf []byte, b *batchWork, index int) []byte {
	start := len(buf)
	replayed, ok := w.open(b, index)
	if ok {
		if replayed {
			buf = append(buf, `{"status":200,"replayed":true,"body":`...)
		} else {
			buf = append(buf, `{"status":200,"replayed":false,"body":`...)
		}
		out, err := w.answer.AppendJSON(buf)
		if err == nil {
			if !replayed {
				w.server.figures.drawn(&w.answer)
			}
			return append(out, '}')
		}
		w.lost(err)
		buf = buf[:start]
	}
	w.server.figures.problems[w.problem.Code].Inc()
	buf = append(buf, `{"status":`...)
	buf = strconv.AppendInt(buf, int64(w.problem.Code.Info().Status), 10)
	buf = append(buf, `,"replayed":false,"body":`...)
	return append(render.AppendProblem(buf, &w.problem), '}')
}
