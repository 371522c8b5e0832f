package main

import (
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/odds"
)

// oddsDigits is how many significant digits of a share are shown.
const oddsDigits = 4

// prizeRows is the table of a version's prizes in one place. What is really paid is a column of its own where it differs
// from what the weights say.
func prizeRows(v *engine.Version, place *campaignfile.Place, pays *odds.Effective) [][]string {
	if !differs(v, place, pays) {
		pays = nil
	}
	rows := [][]string{{"PRIZE", "KIND", "CHANCE"}}
	if pays != nil {
		rows[0] = append(rows[0], "REALLY PAYS")
	}
	rows[0] = append(rows[0], "STOCK", "IF UNAVAILABLE")
	all := odds.Denominator(v)
	left := all
	for i := range v.Prizes {
		p := &v.Prizes[i]
		weight, here := place.Weight(i)
		if !here && (pays == nil || pays.Prizes[i].Sign() == 0) {
			continue
		}
		left -= weight
		instead := "miss"
		if p.Fallback >= 0 {
			instead = v.Prizes[p.Fallback].ID
		}
		if p.Unavailable == engine.OnRedistribute {
			instead = "shared"
		}
		row := []string{p.ID, p.Kind.String(), percent(weight, all)}
		if pays != nil {
			row = append(row, odds.Percent(pays.Prizes[i], oddsDigits))
		}
		rows = append(rows, append(row, stockText(int64(p.Stock)), instead))
	}
	if left > 0 || pays != nil && pays.Miss.Sign() > 0 {
		row := []string{"(miss)", "", percent(left, all)}
		if pays != nil {
			row = append(row, odds.Percent(pays.Miss, oddsDigits))
		}
		rows = append(rows, append(row, "", ""))
	}
	return rows
}

// differs reports whether what a version pays in a place is not what its weights say.
func differs(v *engine.Version, place *campaignfile.Place, pays *odds.Effective) bool {
	if pays == nil {
		return false
	}
	for i := range v.Prizes {
		if weight, _ := place.Weight(i); pays.Prizes[i].Cmp(big.NewRat(weight, odds.Denominator(v))) != 0 {
			return true
		}
	}
	return false
}

// describeOdds says what a version really pays in each place, what it can cost, and what each pity promises.
func describeOdds(w io.Writer, v *engine.Version, soldOut func(prize int) bool) error {
	var row []*big.Rat // of the first place: how long the rows of the pities are
	places := campaignfile.Places(v)
	for i := range places {
		place := &places[i]
		e, failed := campaignfile.PaysWithout(v, place, soldOut)
		if failed == nil && i == 0 {
			row = e.Row
		}
		if title := placeTitle(place); title != "" {
			fmt.Fprintf(w, "%s\n", title)
		}
		if err := table(w, prizeRows(v, place, e)...); err != nil {
			return err
		}
		if failed != nil {
			fmt.Fprintf(w, "%v\n", failed)
		}
		if i < len(places)-1 {
			fmt.Fprintln(w)
		}
	}
	if err := describeWorst(w, campaignfile.Worst(v)); err != nil {
		return err
	}
	for i := range v.Pity {
		p := &v.Pity[i]
		var b strings.Builder
		fmt.Fprintf(&b, "\npity %s: ", p.ID)
		if p.Within > 0 {
			var list []string
			for _, z := range p.List {
				prize := v.Prizes[z.Prize].ID
				if z.Reserve > 0 {
					prize += fmt.Sprintf(" (%d set aside)", z.Reserve)
				}
				list = append(list, prize)
			}
			fmt.Fprintf(&b, "draw %d of a row without luck gives %s", p.Within, strings.Join(list, ", then "))
			if p.Extra {
				b.WriteString(", on top of another win")
			}
		}
		for j, s := range p.Soft {
			switch {
			case j == 0 && p.Within > 0:
				b.WriteString("; ")
			case j > 0:
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "from draw %d on", s.From)
			for _, x := range s.Weights {
				fmt.Fprintf(&b, " %s %s", v.Prizes[x.Prize].ID, percent(int64(x.Weight), int64(v.Denominator)))
			}
		}
		if i < len(row) && row[i] != nil {
			fmt.Fprintf(&b, "\n  a row has %s draws on average", row[i].FloatString(2))
		}
		if _, err := fmt.Fprintln(w, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// describeWorst says what a campaign can cost; nothing where no prize has a value.
func describeWorst(w io.Writer, l campaignfile.Liability) error {
	var parts []string
	if l.MinorUnits > 0 {
		parts = append(parts, fmt.Sprintf("prizes for %d minor units", l.MinorUnits))
	}
	if len(l.Unbounded) > 0 {
		parts = append(parts, "without a bound: "+strings.Join(l.Unbounded, ", "))
	}
	if len(parts) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\nworst case: %s\n", strings.Join(parts, "; "))
	return err
}

// placeTitle names the sessions and the channel of a place.
func placeTitle(p *campaignfile.Place) string {
	var parts []string
	switch n := len(p.Sessions); {
	case n == 1:
		parts = append(parts, "session "+p.Sessions[0])
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d sessions, %s to %s", n, p.Sessions[0], p.Sessions[n-1]))
	}
	if p.Channel != "" {
		parts = append(parts, "channel "+p.Channel)
	}
	return strings.Join(parts, ", ")
}

// without returns what tells the prizes that are sold out by their ids; nil for none.
func without(v *engine.Version, ids []string) (func(prize int) bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	for _, id := range ids {
		if !slices.ContainsFunc(v.Prizes, func(p engine.Prize) bool { return p.ID == id }) {
			return nil, usage(fmt.Errorf("--without %s: the file has no such prize", id))
		}
	}
	return func(prize int) bool { return slices.Contains(ids, v.Prizes[prize].ID) }, nil
}
