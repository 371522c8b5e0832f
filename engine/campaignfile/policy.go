package campaignfile

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/drawd/drawd/engine"
)

// A policy outlives every campaign, and nothing here may ask a clock, so its zone is compiled for these years.
var (
	policyFrom = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	policyTo   = time.Date(2070, 1, 1, 0, 0, 0, 0, time.UTC)
)

// policyDocument is the canonical form of a policy.
type policyDocument struct {
	TimeZone      string            `json:"time_zone"`
	AggregateCaps []capDocument     `json:"aggregate_caps,omitempty"`
	MaxUsers      uint64            `json:"max_users,omitempty"`
	MaxKeys       uint64            `json:"max_keys,omitempty"`
	Approvals     uint8             `json:"approvals,omitempty"`
	AwardLimit    int64             `json:"award_daily_value,omitempty"`
	Purses        any               `json:"purses,omitempty"`
	FatigueCaps   []fatigueDocument `json:"fatigue_caps,omitempty"`
	UserPattern   string            `json:"user_pattern,omitempty"`
}

// policy reads one policy.
type policy struct {
	reader
	policy  *engine.NamespacePolicy
	zone    *time.Location
	caps    []capEntry
	fatigue []capEntry
	pattern string
}

// ParsePolicy reads the policy of a namespace, YAML or JSON. The policy is nil when there are faults; its Revision is 0.
func ParsePolicy(src []byte) (*engine.NamespacePolicy, []Fault) {
	root, faults := readSource(src)
	if root == nil {
		return nil, sorted(faults)
	}
	p := &policy{reader: reader{faults: faults, places: map[string]place{}}, policy: &engine.NamespacePolicy{}, zone: time.UTC}
	p.read(value{root, ""})
	for i := range p.caps {
		p.checkCap(&p.caps[i], p.caps[:i])
		if e := &p.caps[i]; e.windowed && e.Window.Kind == engine.WindowSession {
			p.fault(e.windowAt, "sessions are a campaign's: use %s", anyOf(windowNames))
		}
	}
	p.checkFatigue()
	if len(p.faults) == 0 {
		p.compile(value{root, ""})
	}
	if len(p.faults) > 0 {
		return nil, sorted(p.faults)
	}
	return p.policy, nil
}

func (p *policy) read(v value) {
	p.object(v, []field{
		{name: "time_zone", read: func(v value) { p.zone, _ = p.reader.zone(v) }},
		{name: "aggregate_caps", read: func(v value) { p.list(v, engine.MaxAggregateCaps, p.readCap) }},
		{name: "fatigue_caps", read: func(v value) { p.list(v, engine.MaxFatigueCaps, p.readFatigue) }},
		{name: "max_users", read: func(v value) {
			n, _ := p.integer(v, 1, maxPolicyUsers)
			p.policy.MaxUsers = uint64(n)
		}},
		{name: "max_keys", read: func(v value) {
			n, _ := p.integer(v, 1, maxPolicyKeys)
			p.policy.MaxKeys = uint64(n)
		}},
		{name: "approvals", read: func(v value) {
			n, _ := p.integer(v, 0, engine.MaxApprovers)
			p.policy.Approvals = uint8(n)
		}},
		{name: "award_daily_value", read: func(v value) { p.policy.AwardLimit, _ = p.integer(v, 1, maxValue) }},
		{name: "purses", read: func(v value) { p.list(v, engine.MaxPurses, p.readPurse) }},
		{name: "user_pattern", read: func(v value) {
			s, ok := p.text(v)
			if !ok {
				return
			}
			if _, err := compilePattern(s); err != nil {
				p.fault(v, "must be a regular expression (RE2) of at most %d bytes: %v", maxPatternText, err)
				return
			}
			p.pattern = s
		}},
	})
}

func (p *policy) readCap(_ int, v value) {
	e := capEntry{at: v, Cap: engine.Cap{Prize: -1}}
	fields := p.capFields(&e)
	p.object(v, fields)
	if e.windowed && e.Window.Kind == engine.WindowCampaign {
		p.fault(v, "a cap above all campaigns needs a window of its own: hour, day, week, month, {rolling: 10m} or {cooldown: 30s}")
	}
	if e.counted && countsHelps(e.Counts) {
		p.fault(v, "users help each other in a campaign: a cap above all campaigns counts draws, wins or amount")
	}
	if e.by != "" {
		p.fault(e.scopeAt, "must be %s, not %q: attributes belong to one campaign", anyOf(scopeNames), brief(e.by))
	}
	p.caps = append(p.caps, e)
}

func (p *policy) compile(root value) {
	d := policyDocument{TimeZone: p.zone.String(), MaxUsers: p.policy.MaxUsers, MaxKeys: p.policy.MaxKeys, Approvals: p.policy.Approvals, AwardLimit: p.policy.AwardLimit, UserPattern: p.pattern}
	var ok bool
	if p.policy.Transitions, ok = transitions(p.zone, policyFrom, policyTo); !ok {
		p.fault(root, "the zone %s changes its offset more than %d times in 50 years: choose another", d.TimeZone, engine.MaxTransitions)
	}
	p.policy.TimeZone = d.TimeZone
	for _, e := range p.caps {
		p.policy.AggregateCaps = append(p.policy.AggregateCaps,
			engine.AggregateCap{ID: e.ID, Counts: e.Counts, Scope: e.Scope, Window: e.Window, Limit: e.Limit})
		d.AggregateCaps = append(d.AggregateCaps, capForm(&e.Cap, nil))
	}
	d.FatigueCaps = p.compileFatigue()
	if len(p.policy.Purses) > 0 {
		d.Purses = purseForms(p.policy.Purses)
	}
	p.policy.Document = marshal(d)
}

// compilePattern compiles a user pattern; it must match the whole id.
func compilePattern(s string) (*regexp.Regexp, error) {
	if len(s) > maxPatternText {
		return nil, fmt.Errorf("it has %d bytes", len(s))
	}
	return regexp.Compile(`^(?:` + s + `)$`)
}

// UserPattern returns the pattern to which a namespace narrows user ids, or nil when its policy has none. The caller
// checks it at the edge: it decides who may call, not who wins.
func UserPattern(p *engine.NamespacePolicy) *regexp.Regexp {
	var d policyDocument
	if len(p.Document) == 0 || json.Unmarshal(p.Document, &d) != nil || d.UserPattern == "" {
		return nil
	}
	pattern, err := compilePattern(d.UserPattern)
	if err != nil {
		panic("BUG: a pattern that ParsePolicy accepted does not compile: " + err.Error())
	}
	return pattern
}
