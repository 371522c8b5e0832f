package drawd

import (
	"context"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Switch turns a switch off or on, by its scope: "namespace" denies all draws, holds and takes, "campaign/ID" its draws,
// "prize/CAMPAIGN/PRIZE" makes the prize a miss, "payout/KIND" keeps deliveries of prizes of a kind from beginning. What was decided
// before stays, and confirm, release and void go on. changed is false when it was so already.
func (db *DB) Switch(ctx context.Context, scope string, on bool, reason string) (changed bool, err error) {
	if err := checkReason(reason); err != nil {
		return false, err
	}
	s, err := db.switchScope(scope)
	if err != nil {
		return false, err
	}
	k := db.begin()
	defer db.end(k)
	k.batch.AddSwitch(&engine.SetSwitch{Namespace: db.namespace.Ref(), Scope: s, On: on, Actor: db.options.Actor, Reason: reason})
	r, err := db.one(ctx, k, "", "", "")
	if err != nil {
		return false, err
	}
	return !r.AlreadyLive, nil
}

func (db *DB) switchScope(scope string) (s engine.SwitchScope, err error) {
	kind, rest, _ := strings.Cut(scope, "/")
	id, prize, nested := strings.Cut(rest, "/")
	switch {
	case scope == "namespace":
		return engine.SwitchScope{Kind: engine.SwitchNamespace}, nil
	case kind == "payout":
		if k, known := engine.ParsePrizeKind(rest); !known || k == engine.KindThanks || k == engine.KindChance {
			return s, invalid("scope %q: there are no payouts of such a kind of prize", scope)
		}
		return engine.SwitchScope{Kind: engine.SwitchPayout, Prize: rest}, nil
	case kind != "campaign" && kind != "prize" || rest == "" || nested != (kind == "prize"):
		return s, invalid(`scope %q: it must be "namespace", "campaign/ID", "prize/CAMPAIGN/PRIZE" or "payout/KIND"`, scope)
	}
	c, ok := db.Campaign(id)
	if !ok {
		return s, &Error{Code: problem.CampaignNotFound, Campaign: id}
	}
	s = engine.SwitchScope{Kind: engine.SwitchCampaign, Campaign: c.c.Ref()}
	if nested {
		s.Kind, s.Prize = engine.SwitchPrize, prize
	}
	return s, nil
}

// Switches returns the switches that are off.
func (db *DB) Switches() []engine.Switch { return db.namespace.Switches() }
