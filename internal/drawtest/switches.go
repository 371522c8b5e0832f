package drawtest

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// killedBy returns the widest switch that denies the campaign's draws, 0 for none.
func (r *Reference) killedBy(c *campaign) engine.SwitchKind {
	for _, kind := range []engine.SwitchKind{engine.SwitchGlobal, engine.SwitchNamespace} {
		if r.killed[kind] {
			return kind
		}
	}
	if c.killed {
		return engine.SwitchCampaign
	}
	return 0
}

// turn turns a switch. Nobody has to approve it here: approvals are tested by the engine's own tables.
func (r *Reference) turn(s *engine.SetSwitch) Decided {
	var c *campaign
	name, version := s.Scope.Kind.String(), uint32(0)
	out := Decided{}
	if s.Scope.Kind >= engine.SwitchCampaign {
		if c = r.campaign(s.Scope.Campaign); c == nil {
			return refuse(0, problem.CampaignNotFound)
		}
		name, version = name+"/"+c.id, c.live().Number
		out.Result.Campaign = c.ref
	}
	was := r.killed[s.Scope.Kind]
	switch s.Scope.Kind {
	case engine.SwitchCampaign:
		was = c.killed
	case engine.SwitchPrize:
		name += "/" + s.Scope.Prize
		was = c.off[s.Scope.Prize]
		if !was && indexOf(c.live(), s.Scope.Prize) < 0 {
			return refuse(0, problem.PrizeNotFound)
		}
	}
	if was == !s.On {
		out.Result.AlreadyLive = true
		return out
	}
	flags := uint32(0)
	if s.On {
		flags = engine.SwitchTurnedOn
		if r.now < r.offAt[name]+engine.UndoWindow { // one actor does everything here
			flags |= engine.SwitchUndone
		}
	} else {
		r.offAt[name] = r.now
	}
	switch s.Scope.Kind {
	case engine.SwitchCampaign:
		c.killed = !s.On
	case engine.SwitchPrize:
		c.off[s.Scope.Prize] = !s.On
	default:
		r.killed[s.Scope.Kind] = !s.On
	}
	out.Result.At, out.Result.Records = r.here(0), 1
	out.Records = []engine.Record{{
		Kind: engine.RecordSwitch, Campaign: out.Result.Campaign, Namespace: s.Namespace, Version: version, At: r.now,
		Name: []byte(name), Actor: []byte(s.Actor), Reason: []byte(s.Reason), Flags: flags,
	}}
	return out
}
