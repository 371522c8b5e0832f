package control

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// Bounds of a bulk of grants. Longer ones come in parts: a part that is sent again grants nothing twice.
const (
	maxBulkLines   = 10_000
	bulkCommands   = 500 // in one entry
	maxBulkRefused = 100 // told one by one
)

// bulkReport says what became of the lines of a bulk.
type bulkReport struct {
	Lines   int            `json:"lines"`
	Events  int            `json:"events"`  // that granted something now
	Granted uint64         `json:"granted"` // chances, now
	Already int            `json:"already"` // decided earlier
	Cut     map[string]int `json:"cut"`     // events that granted less than was asked for, by reason
	Refused map[string]int `json:"refused"` // lines that were not decided, by code
	Errors  []bulkError    `json:"errors"`  // the first of them
}

type bulkError struct {
	Line    int    `json:"line"` // from 1
	Code    string `json:"code"`
	Pointer string `json:"pointer,omitempty"`
	Message string `json:"message"`
}

func (b *bulkReport) refuse(line int, code problem.Code, pointer, message string) {
	b.Refused[code.String()]++
	if len(b.Errors) < maxBulkRefused {
		if message == "" {
			message = code.Info().Title
		}
		b.Errors = append(b.Errors, bulkError{line, code.String(), pointer, message})
	}
}

// count adds what the log decided.
func (b *bulkReport) count(line int, r *engine.Result) {
	switch {
	case r.Code == problem.InvalidField:
		f := bulkFaults[min(int(r.Cap), len(bulkFaults)-1)]
		b.refuse(line, r.Code, f.pointer, f.message)
	case r.Code != problem.OK:
		b.refuse(line, r.Code, "", "")
	case r.AlreadyLive:
		b.Already++
	default:
		b.Granted += r.Value
		if r.Value > 0 {
			b.Events++
		}
		if reason := engine.GrantReason(r.Cap); reason != engine.GrantedAll {
			b.Cut[reason.String()]++
		}
	}
}

var bulkFaults = [...]struct{ pointer, message string }{
	{"", "The grant is not valid."},
	engine.FaultSource:    {"/source", "The campaign or purse has no such source."},
	engine.FaultOccurred:  {"/occurred_at", "It is more than 5 seconds ahead of log time."},
	engine.FaultEffective: {"/effective_at", "It must be before the chances end."},
	engine.FaultExpires:   {"/expires_at", "It is beyond what can be kept."},
}

// grantCampaign answers POST /admin/v1/campaigns/{campaign}/chances:grant.
func (p *Plane) grantCampaign(x *exchange) *render.Problem {
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	return x.grantBulk(engine.Grant{Campaign: c.Ref()})
}

// grantPurse answers POST /admin/v1/purses/{purse}/chances:grant.
func (p *Plane) grantPurse(x *exchange) *render.Problem {
	if _, ok := x.grant.Namespace.PurseSums(x.params.purse); !ok {
		return refusal(problem.NotFound, "The namespace has no such purse.")
	}
	return x.grantBulk(engine.Grant{Namespace: x.grant.Namespace.Ref(), Purse: x.params.purse})
}

// grantBulk reads grants line by line and decides them in entries of bulkCommands, each line by itself.
func (x *exchange) grantBulk(to engine.Grant) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	body, _, refused := x.readBody(typeLines)
	if refused != nil {
		return refused
	}
	if bytes.Count(body, []byte{'\n'}) > maxBulkLines {
		return refusal(problem.BodyTooLarge, fmt.Sprintf("At most %d lines: send it in parts.", maxBulkLines))
	}
	report := bulkReport{Cut: map[string]int{}, Refused: map[string]int{}, Errors: []bulkError{}}
	var b engine.Batch
	var numbers []int // of the commands of b
	decided := false
	flush := func() *render.Problem {
		if b.Len() == 0 {
			return nil
		}
		if err := x.plane.Decider.Decide(&b); err != nil {
			return x.stopped(err, decided, numbers[0])
		}
		decided = true
		for i := range b.Results {
			report.count(numbers[i], &b.Results[i])
		}
		b.Reset()
		numbers = numbers[:0]
		return nil
	}
	for n, line := range lines(body) {
		report.Lines++
		g, refused := x.readGrant(line, to)
		if refused != nil {
			report.tell(n, refused)
			continue
		}
		b.AddGrant(&g)
		numbers = append(numbers, n)
		if b.Len() == bulkCommands {
			if refused := flush(); refused != nil {
				return refused
			}
		}
	}
	if refused := flush(); refused != nil {
		return refused
	}
	return x.answer(http.StatusOK, &report)
}

// stopped is the refusal for a bulk that the log did not take to its end.
func (x *exchange) stopped(err error, decided bool, line int) *render.Problem {
	p := x.undecided(err)
	if decided || p.Effect() != problem.None {
		return refusal(problem.UnknownOutcome, fmt.Sprintf("It stopped before or in line %d (%s). Send all of it again: nothing is granted twice.", line, p.Code))
	}
	return p
}

// tell counts a line that could not be read.
func (b *bulkReport) tell(line int, p *render.Problem) {
	if len(p.Errors) > 0 {
		b.refuse(line, p.Code, p.Errors[0].Pointer, p.Errors[0].Message)
		return
	}
	b.refuse(line, p.Code, "", p.Detail)
}

var (
	userPattern   = regexp.MustCompile(`^[A-Za-z0-9._~:@=+-]{1,128}$`)
	sourcePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	eventPattern  = regexp.MustCompile(`^[!-~]{1,64}$`)
)

// readGrant reads one line.
func (x *exchange) readGrant(line []byte, to engine.Grant) (g engine.Grant, refused *render.Problem) {
	v, err := parseJSON(line)
	if err != nil {
		return g, refusal(problem.BadJSON, err.Error())
	}
	o, ok := v.(object)
	if !ok {
		return g, refusal(problem.BadJSON, "A line must be an object.")
	}
	f := newFields(o)
	match := func(name string, pattern *regexp.Regexp, most int) string {
		s := f.text(name, 1, most)
		if s != "" && len(s) <= most && !pattern.MatchString(s) {
			f.fault(name, "pattern", "must match %s", pattern)
		}
		return s
	}
	instant := func(name string) engine.UnixMilli {
		if t := f.instant(name); !t.IsZero() {
			return engine.UnixMilli(t.UnixMilli())
		}
		return 0
	}
	user := match("user", userPattern, engine.MaxUserBytes)
	g = to
	g.Source = match("source", sourcePattern, engine.MaxSourceBytes)
	g.Event = match("event", eventPattern, engine.MaxEventBytes)
	g.Amount = uint32(f.integer("amount", true, 1, engine.MaxGrant))
	g.OccurredAt, g.EffectiveAt, g.ExpiresAt = instant("occurred_at"), instant("effective_at"), instant("expires_at")
	g.Priority = engine.SourcePriority
	if f.has("priority") {
		g.Priority = uint8(f.integer("priority", true, 0, engine.MaxPriority))
	}
	f.asked["priority"] = true
	g.Reason = f.text("reason", 0, engine.MaxReasonBytes)
	if refused := f.done(); refused != nil {
		return g, refused
	}
	if !x.grant.AllowsGrant(g.Source, g.Amount) {
		return g, refusal(problem.Forbidden, "The key may not grant so much, or not from this source.")
	}
	keyer := x.grant.Namespace.Keyer()
	g.UserID, g.User, g.Actor = []byte(user), keyer.User([]byte(user)), x.grant.Actor()
	return g, nil
}

// sumsView is the conserved sum over all users: granted = consumed + remaining + expired + revoked.
type sumsView struct {
	Granted   uint64 `json:"granted"`
	Consumed  uint64 `json:"consumed"`
	Remaining uint64 `json:"remaining"`
	Expired   uint64 `json:"expired"`
	Revoked   uint64 `json:"revoked"`
	Debt      uint64 `json:"debt"`
}

// campaignChances answers GET /admin/v1/campaigns/{campaign}/chances.
func (p *Plane) campaignChances(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	now := max(engine.UnixMilli(x.now.UnixMilli()), p.Engine.LogTime())
	sums, ok := c.ChanceSums(now)
	if !ok {
		return refusal(problem.NotFound, "The campaign never counted chances of its own.")
	}
	return x.answer(http.StatusOK, sumsView(sums))
}

// purseSums answers GET /admin/v1/purses/{purse}.
func (p *Plane) purseSums(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	sums, ok := x.grant.Namespace.PurseSums(x.params.purse)
	if !ok {
		return refusal(problem.NotFound, "The namespace has no such purse.")
	}
	return x.answer(http.StatusOK, sumsView(sums))
}
