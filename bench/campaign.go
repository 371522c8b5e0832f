package bench

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/engine"
)

// campaignFile is the document that is published, as far as scenarios need it (the daemon's own documentation has all of it).
type campaignFile struct {
	Campaign      string            `json:"campaign"`
	Title         map[string]string `json:"title"`
	TimeZone      string            `json:"time_zone"`
	StartsAt      string            `json:"starts_at"`
	EndsAt        string            `json:"ends_at"`
	Denominator   int               `json:"denominator"`
	ExpectedUsers int               `json:"expected_users,omitempty"`
	Caps          []capFile         `json:"caps,omitempty"`
	Prizes        []prizeFile       `json:"prizes"`
	Exhausted     string            `json:"exhausted,omitempty"`
}

type capFile struct {
	ID     string `json:"id"`
	Counts string `json:"counts"`
	Window string `json:"window"`
	Limit  int    `json:"limit"`
	Prize  string `json:"prize,omitempty"`
}

type prizeFile struct {
	ID          string            `json:"id"`
	Kind        string            `json:"kind"`
	Title       map[string]string `json:"title"`
	Weight      int               `json:"weight"`
	Stock       any               `json:"stock"`
	Amount      any               `json:"amount,omitempty"`
	Unavailable any               `json:"on_unavailable,omitempty"`
}

// newCampaign returns a campaign that runs now, under a name that no other run has. 64 bits: one run may have ten thousand of them.
func newCampaign(what string, users int, now time.Time) *campaignFile {
	now = now.UTC().Truncate(time.Second)
	return &campaignFile{
		Campaign: fmt.Sprintf("bench-%s-%016x", what, nonce()), Title: map[string]string{"en": "Load test"}, TimeZone: "UTC",
		StartsAt: now.Add(-time.Hour).Format(time.RFC3339), EndsAt: now.Add(7 * 24 * time.Hour).Format(time.RFC3339),
		Denominator: 1_000_000, ExpectedUsers: users, Exhausted: "deny",
	}
}

// flashCampaign is a crowd's campaign: it is sold out after about so many draws. One win a user, three draws a day; a
// prize that falls back, one that sells out early, one that sells out late, one that is nearly impossible.
func flashCampaign(users, draws int, now time.Time) *campaignFile {
	f := newCampaign("flash", users, now)
	f.Caps = []capFile{{ID: "day", Counts: "draws", Window: "day", Limit: 3}, {ID: "wins", Counts: "wins", Window: "campaign", Limit: 1}}
	share := func(weight int, of float64) int { return max(int(float64(draws)*float64(weight)/1e6*of), 1) }
	f.Prizes = []prizeFile{
		{ID: "phone", Kind: "physical", Title: map[string]string{"en": "Phone"}, Weight: 20, Stock: share(20, 0.3)},
		{ID: "watch", Kind: "physical", Title: map[string]string{"en": "Watch"}, Weight: 1_000, Stock: share(1_000, 0.5), Unavailable: map[string]string{"fallback": "coupon"}},
		{ID: "coupon", Kind: "coupon", Title: map[string]string{"en": "Coupon"}, Weight: 80_000, Stock: share(80_000, 0.8)},
		{ID: "packet", Kind: "cash", Title: map[string]string{"en": "Red packet"}, Weight: 150_000, Stock: share(150_000, 1), Amount: map[string]int{"fixed": 100}},
	}
	return f
}

// steadyCampaign never refuses and never sells out: the figures of capacity are measured on it.
func steadyCampaign(users int, now time.Time) *campaignFile {
	f := newCampaign("steady", users, now)
	const never = 1_000_000_000
	f.Caps = []capFile{
		{ID: "day", Counts: "draws", Window: "day", Limit: never}, {ID: "hour", Counts: "draws", Window: "hour", Limit: never},
		{ID: "wins", Counts: "wins", Window: "campaign", Limit: never},
	}
	f.Prizes = []prizeFile{
		{ID: "phone", Kind: "physical", Title: map[string]string{"en": "Phone"}, Weight: 50, Stock: 100_000_000_000},
		{ID: "watch", Kind: "physical", Title: map[string]string{"en": "Watch"}, Weight: 950, Stock: 100_000_000_000},
		{ID: "coupon", Kind: "coupon", Title: map[string]string{"en": "Coupon"}, Weight: 99_000, Stock: 100_000_000_000},
		{ID: "packet", Kind: "cash", Title: map[string]string{"en": "Red packet"}, Weight: 100_000, Stock: 100_000_000_000, Amount: map[string]int{"fixed": 100}},
	}
	return f
}

// scaleCampaign is P7's campaign with so many prizes: three caps, stock that lasts.
func scaleCampaign(users, prizes int, now time.Time) *campaignFile {
	f := steadyCampaign(users, now)
	f.Prizes = nil
	for i := range prizes {
		f.Prizes = append(f.Prizes, prizeFile{
			ID: fmt.Sprintf("p%d", i+1), Kind: "coupon", Title: map[string]string{"en": "Coupon"}, Weight: 500_000 / prizes, Stock: 1_000_000_000,
		})
	}
	return f
}

// deniedCampaign refuses: cappedAt draws a user, and one unit that the first draw takes when soldOut is set.
func deniedCampaign(what string, users, cappedAt int, soldOut bool, now time.Time) *campaignFile {
	f := newCampaign(what, users, now)
	f.Caps = []capFile{{ID: "day", Counts: "draws", Window: "day", Limit: cappedAt}}
	weight, stock := 1, 1_000_000
	if soldOut {
		weight, stock = 1_000_000, 1
	}
	f.Prizes = []prizeFile{{ID: "phone", Kind: "physical", Title: map[string]string{"en": "Phone"}, Weight: weight, Stock: stock}}
	return f
}

// crashCampaign has everything that a crash could break and still goes on for as long as the loop does: a prize that
// is sold out within moments, one that falls back, caps that are reached.
func crashCampaign(users int, now time.Time) *campaignFile {
	f := newCampaign("crash", users, now)
	f.Caps = []capFile{
		{ID: "day", Counts: "draws", Window: "day", Limit: 1_000_000},
		{ID: "phones", Counts: "wins", Window: "campaign", Limit: 1, Prize: "phone"},
		{ID: "coupons", Counts: "wins", Window: "day", Limit: 2, Prize: "coupon"},
	}
	f.Prizes = []prizeFile{
		{ID: "phone", Kind: "physical", Title: map[string]string{"en": "Phone"}, Weight: 1_000, Stock: 50, Unavailable: map[string]string{"fallback": "coupon"}},
		{ID: "coupon", Kind: "coupon", Title: map[string]string{"en": "Coupon"}, Weight: 100_000, Stock: 30_000},
		{ID: "packet", Kind: "cash", Title: map[string]string{"en": "Red packet"}, Weight: 200_000, Stock: 1_000_000_000, Amount: map[string]int{"fixed": 100}},
	}
	return f
}

// endBy ends the campaign at a time at the latest.
func (f *campaignFile) endBy(at time.Time) {
	f.EndsAt = at.UTC().Truncate(time.Second).Format(time.RFC3339)
}

func (f *campaignFile) encode() ([]byte, error) {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("bench: campaign: %w", err)
	}
	return text, nil
}

// compileRules compiles a campaign file and takes its rules.
func compileRules(compile func([]byte) (*engine.Version, error), file []byte) (*oracle.Rules, error) {
	v, err := compile(file)
	if err != nil {
		return nil, fmt.Errorf("bench: campaign file: %w", err)
	}
	return oracle.RulesOf(v)
}
