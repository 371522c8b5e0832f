package campaignfile

import (
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// File is a campaign file that has no faults.
type File struct {
	// Version is the compiled form. Number, Hash and Salt are zero: the publisher gives the salt, the engine the rest.
	Version *engine.Version
	// Warnings are what is allowed but probably not meant.
	Warnings []Fault

	places map[string]place // by JSON pointer, so that later faults can be given their place too
}

type place struct{ line, column int }

// Parse reads a campaign file, YAML or JSON, of at most engine.MaxDocumentBytes. The file is nil when there are faults.
func Parse(src []byte) (*File, []Fault) {
	root, faults := readSource(src)
	if root == nil {
		return nil, sorted(faults)
	}
	c := &campaign{
		reader:  reader{faults: faults, places: map[string]place{"": root.at}},
		version: &engine.Version{Denominator: engine.DefaultDenominator},
	}
	c.read(value{root, ""})
	c.check()
	if len(c.faults) > 0 {
		return nil, sorted(c.faults)
	}
	c.compile()
	if len(c.faults) > 0 {
		return nil, sorted(c.faults)
	}
	c.lint()
	return &File{Version: c.version, Warnings: sorted(c.warnings), places: c.places}, nil
}

// Locate fills in line and column of faults that name a value of this file by its pointer.
func (f *File) Locate(faults []Fault) []Fault {
	for i := range faults {
		if at, ok := f.places[faults[i].Pointer]; ok {
			faults[i].Line, faults[i].Column = at.line, at.column
		}
	}
	return faults
}

// campaign reads one campaign file. What needs more than one value is checked after everything has been read.
type campaign struct {
	reader
	version *engine.Version
	zone    *time.Location

	title  map[string]string
	caps   []capEntry
	prizes []prizeEntry
	pities []pityEntry

	sessions *sessionsEntry // nil for none
	channels []channelEntry
	chances  *chancesEntry // nil for none
	helps    *helpsEntry   // nil for none
	audience audienceEntry

	// Where the values stand that checks are about.
	startsAt, endsAt, prizesAt, guaranteedAt, budgetAt, roundAt, modeAt, burnAt value

	modeFaulty bool // mode could not be read: what hangs on it is not checked
}

func (c *campaign) read(v value) {
	c.object(v, []field{
		{name: "campaign", required: required, read: func(v value) { c.version.Campaign, _ = c.id(v) }},
		{name: "title", read: func(v value) { c.title = c.reader.title(v) }},
		{name: "time_zone", required: required, read: func(v value) { c.zone, _ = c.reader.zone(v) }},
		{name: "starts_at", required: required, read: func(v value) {
			c.startsAt = v
			c.version.StartsAt, _ = c.instant(v)
		}},
		{name: "ends_at", required: required, read: func(v value) {
			c.endsAt = v
			c.version.EndsAt, _ = c.instant(v)
		}},
		{name: "denominator", read: func(v value) {
			n, _ := c.integer(v, engine.MinDenominator, engine.MaxDenominator)
			c.version.Denominator = uint32(n) // 0 when it is faulty: checks of weights are skipped then
		}},
		{name: "expected_users", read: func(v value) {
			n, _ := c.integer(v, 0, maxExpectedUsers)
			c.version.ExpectedUsers = uint64(n)
		}},
		{name: "guaranteed", read: func(v value) {
			c.guaranteedAt = v
			c.version.Guaranteed = c.boolean(v)
		}},
		{name: "exhausted", read: func(v value) {
			i, _ := c.choice(v, policies)
			c.version.Exhausted = engine.Policy(i)
		}},
		{name: "user_exhausted", read: func(v value) {
			i, _ := c.choice(v, policies[:engine.Miss+1])
			c.version.UserExhausted = engine.Policy(i)
		}},
		{name: "chances", read: c.readChances},
		{name: "helps", read: c.readHelps},
		{name: "mode", read: c.readMode},
		{name: "caps", read: func(v value) { c.list(v, engine.MaxCaps, c.readCap) }},
		{name: "prizes", required: required, read: func(v value) {
			c.prizesAt = v
			c.list(v, engine.MaxPrizes, c.readPrize)
		}},
		{name: "sessions", read: c.readSessions},
		{name: "channels", read: func(v value) { c.list(v, engine.MaxChannels, c.readChannel) }},
		{name: "pity", read: func(v value) { c.list(v, engine.MaxPities, c.readPity) }},
		{name: "audience", read: c.readAudience},
		{name: "pools", later: "remove it; pools are the namespace's, and a prize names one with pool:"},
		{name: "budget", read: c.readBudget},
		{name: "guard", read: c.readGuard},
		{name: "tickets", read: c.readTickets},
		{name: "testers", later: "remove it; test in a campaign of its own"},
	})
}

// policies are the wire names of engine.Policy, by number.
var policies = []string{"deny", "miss", "end"}

// check finds the faults that need more than one value.
func (c *campaign) check() {
	v := c.version
	if v.StartsAt != 0 && v.EndsAt != 0 {
		switch span := v.EndsAt - v.StartsAt; {
		case span <= 0:
			c.fault(c.endsAt, "must be after starts_at")
		case span > engine.MaxCampaignSpan:
			c.fault(c.endsAt, "must be at most 10 years (%d days) after starts_at", engine.MaxCampaignSpan/(24*3600*1000))
		}
	}
	c.checkPrizes()
	c.checkCaps()
	c.checkPities()
	c.checkMoney()
	c.checkChances()
	c.checkHelps()
	c.checkChannels()
	c.checkSessions()
	c.checkReleases()
	c.checkAudience()
	c.checkMode()
	c.checkPools()
	c.checkGuard()
}

// compile fills in the version. It runs only when there are no faults, so that every value is there.
func (c *campaign) compile() {
	v := c.version
	v.TimeZone = c.zone.String()
	start, end := time.UnixMilli(int64(v.StartsAt)).Add(-zoneBefore), time.UnixMilli(int64(v.EndsAt)).Add(zoneAfter)
	var ok bool
	if v.Transitions, ok = transitions(c.zone, start, end); !ok {
		c.fault(c.endsAt, "the zone changes its offset more than %d times until then: make the campaign shorter", engine.MaxTransitions)
	}
	v.Title = canonicalTitle(c.title)
	for _, p := range c.prizes {
		v.Prizes = append(v.Prizes, c.compilePrize(p))
	}
	for _, entry := range c.caps {
		v.Caps = append(v.Caps, c.compileCap(entry))
	}
	c.compileAmounts()
	c.compileChances()
	c.compileHelps()
	c.compileAudience()
	c.compileCodes()
	c.compileDeliveries()
	c.compilePools()
	c.compileBoosts()
	c.compilePities()
	v.Document = c.canonical()
	if size := sizeOf(v); size > engine.MaxVersionBytes {
		c.add("", problem.InvalidField, place{}, "the campaign takes %d bytes; at most %d are allowed: shorten titles or drop prizes", size, engine.MaxVersionBytes)
	}
}
