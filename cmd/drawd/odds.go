package main

import (
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/odds"
)

// oddsDigits is how many significant digits of a share are shown.
const oddsDigits = 4

// prizeRows is the table of a version's prizes. What is really paid is a column of its own where it differs from what the
// weights say.
func prizeRows(v *engine.Version, pays *odds.Effective) [][]string {
	if !differs(v, pays) {
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
		left -= odds.Weight(v, i)
		instead := "miss"
		if p.Fallback >= 0 {
			instead = v.Prizes[p.Fallback].ID
		}
		if p.Unavailable == engine.OnRedistribute {
			instead = "shared"
		}
		row := []string{p.ID, p.Kind.String(), percent(odds.Weight(v, i), all)}
		if pays != nil {
			row = append(row, odds.Percent(pays.Prizes[i], oddsDigits))
		}
		rows = append(rows, append(row, stockText(int64(p.Stock)), instead))
	}
	if left > 0 || pays != nil {
		row := []string{"(miss)", "", percent(left, all)}
		if pays != nil {
			row = append(row, odds.Percent(pays.Miss, oddsDigits))
		}
		rows = append(rows, append(row, "", ""))
	}
	return rows
}

// differs reports whether what a version pays is not what its weights say.
func differs(v *engine.Version, pays *odds.Effective) bool {
	if pays == nil {
		return false
	}
	for i := range v.Prizes {
		if pays.Prizes[i].Cmp(big.NewRat(odds.Weight(v, i), odds.Denominator(v))) != 0 {
			return true
		}
	}
	return false
}

// describeOdds says what a version really pays, what each pity promises and how long its rows are.
func describeOdds(w io.Writer, v *engine.Version) error {
	e, failed := campaignfile.Pays(v)
	if err := table(w, prizeRows(v, e)...); err != nil {
		return err
	}
	if failed != nil {
		if _, err := fmt.Fprintf(w, "\n%v\n", failed); err != nil {
			return err
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
		if e != nil && e.Row[i] != nil {
			fmt.Fprintf(&b, "\n  a row has %s draws on average", e.Row[i].FloatString(2))
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
