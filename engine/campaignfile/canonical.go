package campaignfile

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/drawd/drawd/engine"
)

// The canonical form of a campaign file: fields in this order, defaults left out, titles by language, times in UTC,
// durations in their largest unit. Files that mean the same have the same bytes, however they were written; the engine
// compares them to tell that a form is already live.
type campaignDocument struct {
	Campaign      string            `json:"campaign"`
	Title         map[string]string `json:"title,omitempty"`
	TimeZone      string            `json:"time_zone"`
	StartsAt      string            `json:"starts_at"`
	EndsAt        string            `json:"ends_at"`
	Denominator   uint32            `json:"denominator"`
	ExpectedUsers uint64            `json:"expected_users,omitempty"`
	Guaranteed    bool              `json:"guaranteed,omitempty"`
	Exhausted     string            `json:"exhausted,omitempty"`
	UserExhausted string            `json:"user_exhausted,omitempty"`
	Budget        *budgetDocument   `json:"budget,omitempty"`
	Guard         *guardDocument    `json:"guard,omitempty"`
	Chances       *chancesDocument  `json:"chances,omitempty"`
	Helps         *helpsDocument    `json:"helps,omitempty"`
	Mode          *modeDocument     `json:"mode,omitempty"`
	Caps          []capDocument     `json:"caps,omitempty"`
	Prizes        []prizeDocument   `json:"prizes"`
	Pity          []pityDocument    `json:"pity,omitempty"`
	Sessions      any               `json:"sessions,omitempty"`
	Channels      []channelDocument `json:"channels,omitempty"`

	Audience *audienceDocument `json:"audience,omitempty"`
	Tickets  *ticketsDocument  `json:"tickets,omitempty"`
}

type capDocument struct {
	ID        string `json:"id"`
	Counts    string `json:"counts"`
	Scope     string `json:"scope,omitempty"`
	Window    any    `json:"window"`
	Limit     uint32 `json:"limit"`
	Prize     string `json:"prize,omitempty"`
	OnReached string `json:"on_reached,omitempty"`
}

type prizeDocument struct {
	ID          string            `json:"id"`
	Kind        string            `json:"kind"`
	Title       map[string]string `json:"title,omitempty"`
	Weight      *uint32           `json:"weight,omitempty"` // none in a deck
	Stock       any               `json:"stock,omitempty"`
	Pool        string            `json:"pool,omitempty"`
	Units       uint32            `json:"units,omitempty"`
	Value       int64             `json:"value,omitempty"`
	Amount      *amountDocument   `json:"amount,omitempty"`
	Chances     int64             `json:"chances,omitempty"`
	ChancesFor  string            `json:"chances_for,omitempty"`
	Unavailable *wayDocument      `json:"on_unavailable,omitempty"`
	Slot        *int16            `json:"slot,omitempty"`
	Listed      *bool             `json:"listed,omitempty"`
	Valuable    bool              `json:"valuable,omitempty"`
	Release     *releaseDocument  `json:"release,omitempty"`
	Codes       any               `json:"codes,omitempty"`
	Award       *deliveryDocument `json:"award,omitempty"`
}

type amountDocument struct {
	Fixed  int64          `json:"fixed,omitempty"`
	Split  string         `json:"split,omitempty"`
	Min    int64          `json:"min,omitempty"`
	Max    int64          `json:"max,omitempty"`
	Budget int64          `json:"budget,omitempty"`
	Cards  []cardDocument `json:"cards,omitempty"`
}

type wayDocument struct {
	Fallback     string         `json:"fallback,omitempty"`
	Redistribute *boostDocument `json:"redistribute,omitempty"`
}

// canonical returns the campaign's canonical form.
func (c *campaign) canonical() []byte {
	v := c.version
	d := campaignDocument{
		Campaign: v.Campaign, Title: c.title, TimeZone: v.TimeZone, StartsAt: formatInstant(v.StartsAt), EndsAt: formatInstant(v.EndsAt),
		Denominator: v.Denominator, ExpectedUsers: v.ExpectedUsers, Guaranteed: v.Guaranteed,
		Exhausted: unless(engine.Deny, v.Exhausted), UserExhausted: unless(engine.Deny, v.UserExhausted),
		Budget: budgetForm(v.Budget), Guard: guardForm(v.Guard), Chances: chancesForm(v.Chances), Mode: modeForm(v.Mode), Helps: helpsForm(v.Helps),
	}
	for i := range v.Caps {
		d.Caps = append(d.Caps, capForm(&v.Caps[i], v.Prizes))
		if c := &v.Caps[i]; c.Scope == engine.ScopeAttribute {
			d.Caps[i].Scope = v.ScopeName(c)
		}
	}
	for i := range v.Prizes {
		prize := prizeForm(v, i, c.prizes[i].title)
		prize.Release = releaseForm(c.prizes[i].release)
		prize.Codes = codesForm(v, i)
		prize.Award = deliveryForm(v, i)
		poolForm(&prize, v, i)
		d.Prizes = append(d.Prizes, prize)
		d.Prizes[i].Valuable = c.prizes[i].valuable
	}
	for i := range v.Pity {
		d.Pity = append(d.Pity, pityForm(&v.Pity[i], v.Prizes))
	}
	if c.sessions != nil {
		d.Sessions = c.sessionsForm()
	}
	d.Channels = c.channelForms()
	d.Audience, d.Tickets = audienceForm(v.Audience), ticketsForm(v.Audience)
	return marshal(d)
}

func unless(standard, p engine.Policy) string {
	if p == standard {
		return ""
	}
	return policies[p]
}

func capForm(c *engine.Cap, prizes []engine.Prize) capDocument {
	d := capDocument{ID: c.ID, Counts: countNames[c.Counts], Window: windowForm(c.Window), Limit: c.Limit}
	if c.Scope != engine.ScopeUser {
		d.Scope = c.Scope.String()
	}
	if c.Prize >= 0 {
		d.Prize = prizes[c.Prize].ID
	}
	if c.DenyWhenReached {
		d.OnReached = "deny"
	}
	return d
}

func windowForm(w engine.Window) any {
	switch w.Kind {
	case engine.WindowRolling:
		return map[string]string{rollingName: formatDuration(w.Duration)}
	case engine.WindowSession:
		return inSession
	case engine.WindowCooldown:
		return map[string]string{cooldown: formatDuration(w.Duration)}
	}
	return windowNames[w.Kind]
}

func prizeForm(v *engine.Version, i int, title map[string]string) prizeDocument {
	p := &v.Prizes[i]
	d := prizeDocument{ID: p.ID, Kind: p.Kind.String(), Title: title, Value: p.Value}
	if v.Mode.Kind != engine.ModeDeck {
		d.Weight = &p.Weight
	}
	switch p.Stock {
	case engine.StockUnstated:
	case engine.Unlimited:
		d.Stock = "unlimited"
	default:
		d.Stock = int64(p.Stock)
	}
	if p.Units != 1 {
		d.Units = p.Units
	}
	d.Amount = amountForm(v, i)
	chanceForm(&d, v, i)
	d.Unavailable = wayForm(v, i)
	if p.Slot >= 0 {
		d.Slot = &p.Slot
	}
	if p.Unlisted {
		d.Listed = new(bool)
	}
	return d
}

func formatInstant(at engine.UnixMilli) string {
	return time.UnixMilli(int64(at)).UTC().Format("2006-01-02T15:04:05.000Z")
}

// canonicalTitle returns a title as a JSON object by language; nil for none.
func canonicalTitle(title map[string]string) []byte {
	if len(title) == 0 {
		return nil
	}
	return marshal(title)
}

// marshal writes JSON as it is, without the escapes for HTML.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("BUG: a campaign's form cannot be written: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// sizeOf bounds the bytes that a version takes in a command from above.
func sizeOf(v *engine.Version) int {
	const fixed, perCap, perPrize, perTransition, perAmount, perCard, perDelivery = 640, 96, 128, 16, 40, 12, 16
	size := fixed + len(v.Document) + len(v.Title) + len(v.TimeZone) + len(v.Caps)*perCap + len(v.Transitions)*perTransition
	for i := range v.Prizes {
		size += perPrize + len(v.Prizes[i].Title)
	}
	for i := range v.Amounts {
		size += perAmount + len(v.Amounts[i].Cards)*perCard
	}
	size += len(v.Deliveries) * perDelivery
	return size + pitySize(v.Pity) + sessionsSize(v) + releasesSize(v) + chancesSize(v.Chances) + audienceSize(v.Audience)
}
