package control

import (
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// raffleRoutes are those of table that are about raffles.
func raffleRoutes() []route {
	return []route{
		{name: "raffles", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/raffles", need: readers, handle: (*Plane).listRaffles},
		{name: "raffle", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/raffles/{raffle}", need: readers, handle: (*Plane).getRaffle},
		{name: "entrants", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/raffles/{raffle}/entrants", need: readers, other: true, handle: (*Plane).getEntrants},
		{name: "add_entrants", method: "POST", pattern: "/admin/v1/campaigns/{campaign}/raffles/{raffle}/entrants", need: changers, handle: (*Plane).addEntrants},
		{name: "draw_raffle", method: "POST", pattern: "/admin/v1/campaigns/{campaign}/raffles/{raffle}:draw", need: changers, handle: (*Plane).drawRaffle},
		{name: "redraw_raffle", method: "POST", pattern: "/admin/v1/campaigns/{campaign}/raffles/{raffle}:redraw", need: changers, handle: (*Plane).redrawRaffle},
	}
}

// raffleView is a raffle as everybody may see it: with the list, the seed and SHA-256 the places can be made again.
type raffleView struct {
	Campaign   string   `json:"campaign"`
	Raffle     string   `json:"raffle"`
	Entrants   int      `json:"entrants"`
	ListDigest string   `json:"list_digest"`
	Drawn      bool     `json:"drawn"`
	DrawnAt    *stamp   `json:"drawn_at,omitempty"`
	Prize      string   `json:"prize,omitempty"`
	Seed       string   `json:"seed,omitempty"`
	Winners    []string `json:"winners,omitempty"`
	Alternates []string `json:"alternates,omitempty"`
	Absent     []string `json:"absent,omitempty"`
	Unfilled   int      `json:"unfilled,omitempty"`
}

func viewRaffle(c *engine.Campaign, f *engine.Raffle) raffleView {
	digest := f.Digest()
	v := raffleView{Campaign: c.ID(), Raffle: f.ID, Entrants: len(f.Entrants), ListDigest: hex.EncodeToString(digest[:]), Drawn: f.Drawn}
	if f.Drawn {
		seed, at := c.RaffleSeed(f), stamp(f.DrawnAt)
		v.DrawnAt, v.Prize, v.Seed, v.Absent = &at, f.Prize, hex.EncodeToString(seed[:]), f.Absent
		v.Winners, v.Alternates = c.Results(f)
		v.Unfilled = int(f.Winners) - len(v.Winners)
	}
	return v
}

// raffle returns the campaign and the raffle of the path.
func (x *exchange) raffle() (*engine.Campaign, *engine.Raffle, *render.Problem) {
	c, refused := x.campaign()
	if refused != nil {
		return nil, nil, refused
	}
	if f := c.Raffle(x.params.raffle); f != nil {
		return c, f, nil
	}
	return nil, nil, refusal(problem.NotFound, "The campaign has no raffle of this id.")
}

// raffleSummary is a raffle in a list: its places are read one by one.
type raffleSummary struct {
	Raffle   string `json:"raffle"`
	Entrants int    `json:"entrants"`
	Drawn    bool   `json:"drawn"`
	DrawnAt  *stamp `json:"drawn_at,omitempty"`
	Prize    string `json:"prize,omitempty"`
}

func (p *Plane) listRaffles(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	all := list[raffleSummary]{Items: []raffleSummary{}} // at most engine.MaxRaffles: one page
	for _, f := range c.Raffles() {
		s := raffleSummary{Raffle: f.ID, Entrants: len(f.Entrants), Drawn: f.Drawn, Prize: f.Prize}
		if f.Drawn {
			at := stamp(f.DrawnAt)
			s.DrawnAt = &at
		}
		all.Items = append(all.Items, s)
	}
	return x.answer(http.StatusOK, all)
}

func (p *Plane) getRaffle(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, f, refused := x.raffle()
	if refused != nil {
		return refused
	}
	return x.answer(http.StatusOK, viewRaffle(c, f))
}

// getEntrants answers with the list, one entrant on a line, in the order that the list digest is made of.
func (p *Plane) getEntrants(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	_, f, refused := x.raffle()
	if refused != nil {
		return refused
	}
	var b []byte
	for _, u := range f.Entrants {
		b = append(render.AppendString(append(b, `{"user":`...), u), '}', '\n')
	}
	x.answerBytes(http.StatusOK, typeLines, b)
	return nil
}

// addEntrants imports entrants, one on a line. A line that is wrong refuses all of them.
func (p *Plane) addEntrants(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	body, _, refused := x.readBody(typeLines)
	if refused != nil {
		return refused
	}
	users, refused := x.readUsers(body)
	if refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	var b engine.Batch
	b.AddEntrants(&engine.AddEntrants{Campaign: c.Ref(), Raffle: x.params.raffle, Users: users, Actor: x.grant.Actor()})
	r, refused := x.decide(&b)
	if refused != nil {
		return x.explainRaffle(refused, "The raffle is drawn: nobody can enter any more.")
	}
	var record engine.Record // of a list that had them all there is none
	if r.Records > 0 {
		if _, err := engine.DecodeRecord(b.Records[r.Offset:], &record); err != nil {
			return x.broken("the record of an import cannot be decoded", err)
		}
	}
	return x.answer(http.StatusOK, struct {
		Campaign string `json:"campaign"`
		Raffle   string `json:"raffle"`
		Added    int64  `json:"added"`
		Entrants uint64 `json:"entrants"`
	}{c.ID(), x.params.raffle, record.Delta, r.Value})
}

// maxLineFaults bounds the faults that one import reports.
const maxLineFaults = 20

// readUsers reads lines of {"user": …}. Faults name the line, from 1.
func (x *exchange) readUsers(body []byte) (users []string, refused *render.Problem) {
	pattern := campaignfile.UserPattern(x.grant.Namespace.Policy())
	faults, size := []render.FieldError(nil), 0
	for n, line := range lines(body) {
		fault := func(name, code, message string) {
			faults = append(faults, render.FieldError{Pointer: fmt.Sprintf("/%d%s", n-1, name), Code: code, Message: message, Line: n, Column: 1})
		}
		v, err := parseJSON(line)
		o, isObject := v.(object)
		user, isText := o["user"].(string)
		switch {
		case err != nil:
			fault("", "json", "Each line must be a JSON object like {\"user\":\"u1\"}.")
		case !isObject || !isText || len(o) != 1:
			fault("", "type", "Each line must be an object with the member user, a text, and no other.")
		case !names.Subject(user) || pattern != nil && !pattern.MatchString(user):
			fault("/user", "pattern", "It is not the id of a user.")
		}
		if len(faults) >= maxLineFaults {
			break
		}
		users = append(users, user)
		size += 1 + len(user)
	}
	switch {
	case len(faults) > 0:
		return nil, &render.Problem{Code: problem.InvalidField, Errors: faults}
	case len(users) == 0:
		return nil, invalid("", "required", "There is no entrant in the body.")
	case size > engine.MaxEntrantsBytes:
		return nil, refusal(problem.BodyTooLarge, fmt.Sprintf("At most %d bytes of ids in one request: send the list in parts.", engine.MaxEntrantsBytes))
	}
	return users, nil
}

// drawRaffle draws the raffle, once: the same request again gives the same answer.
func (p *Plane) drawRaffle(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	command := engine.DrawRaffle{Raffle: x.params.raffle, Actor: x.grant.Actor(), Reason: f.text("reason", 1, engine.MaxReasonBytes)}
	command.Winners = uint32(f.integer("winners", true, 1, engine.MaxEntrants))
	if f.has("alternates") {
		command.Alternates = uint32(f.integer("alternates", true, 0, engine.MaxEntrants))
	}
	if f.has("prize") {
		if command.Prize = f.text("prize", 1, engine.MaxIDBytes); len(*f.faults) == 0 && !names.ID(command.Prize) {
			f.fault("prize", "pattern", "must be the id of a prize")
		}
	}
	if refused := f.done(); refused != nil {
		return refused
	}
	c, raffle, refused := x.raffle()
	if refused != nil {
		return refused
	}
	command.Campaign = c.Ref()
	var b engine.Batch
	b.AddRaffle(&command)
	if _, refused := x.decide(&b); refused != nil {
		why := fmt.Sprintf("Winners and alternates are more than the %d entrants.", len(raffle.Entrants))
		if raffle.Drawn {
			why = "The raffle is drawn already, with other numbers."
		}
		return x.explainRaffle(refused, why)
	}
	return x.answer(http.StatusOK, viewRaffle(c, c.Raffle(x.params.raffle)))
}

// redrawRaffle strikes absentees off: those behind them move up.
func (p *Plane) redrawRaffle(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	command := engine.RedrawRaffle{Raffle: x.params.raffle, Actor: x.grant.Actor(), Reason: f.text("reason", 1, engine.MaxReasonBytes)}
	command.Absent = f.texts("absent", true, maxAbsent)
	for i, u := range command.Absent {
		if !names.Subject(u) {
			f.faultAt("absent", i, "pattern", "is not the id of a user")
		}
	}
	if refused := f.done(); refused != nil {
		return refused
	}
	c, _, refused := x.raffle()
	if refused != nil {
		return refused
	}
	command.Campaign = c.Ref()
	var b engine.Batch
	b.AddRedraw(&command)
	if _, refused := x.decide(&b); refused != nil {
		return x.explainRaffle(refused, "Somebody named here is neither a winner nor an alternate.")
	}
	return x.answer(http.StatusOK, viewRaffle(c, c.Raffle(x.params.raffle)))
}

// maxAbsent bounds the absentees of one request.
const maxAbsent = 1000

// explainRaffle says in words what stands against it.
func (x *exchange) explainRaffle(refused *render.Problem, conflict string) *render.Problem {
	switch refused.Code {
	case problem.Conflict:
		refused.Detail = conflict
	case problem.PrizeNotFound:
		refused.Detail = "The live version has no prize of this id whose units a raffle can give: it must be there, pay no amount and no chances, and hand out no codes of its own."
	case problem.NotFound:
		refused.Detail = "The raffle is not drawn yet."
	}
	return refused
}
