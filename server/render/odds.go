package render

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
)

// AppendOdds appends what a version really pays, for players: listed prizes by name, all others as one number.
func AppendOdds(dst []byte, v *engine.Version) []byte {
	unlisted := make(map[string]bool)
	for i := range v.Prizes {
		unlisted[v.Prizes[i].ID] = v.Prizes[i].Unlisted
	}
	dst = append(dst, '[')
	for i, place := range campaignfile.OddsOf(v) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		for j, session := range place.Sessions {
			if j == 0 {
				dst = append(dst, `"sessions":[`...)
			} else {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, session)
		}
		if len(place.Sessions) > 0 {
			dst = append(dst, `],`...)
		}
		if place.Channel != "" {
			dst = append(AppendString(append(dst, `"channel":`...), place.Channel), ',')
		}
		dst = append(dst, `"prizes":[`...)
		n, other := 0, int64(0)
		for _, p := range place.Prizes {
			if unlisted[p.ID] {
				other += p.Pays
				continue
			}
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(append(dst, `{"id":`...), p.ID)
			dst = append(appendInt(append(dst, `,"pays_ppb":`...), p.Pays), '}')
			n++
		}
		dst = appendInt(append(dst, `],"other_ppb":`...), other)
		dst = append(appendInt(append(dst, `,"miss_ppb":`...), place.Miss), '}')
	}
	return append(dst, ']')
}
