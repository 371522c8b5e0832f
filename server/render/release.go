package render

import "github.com/drawd/drawd/engine"

// maxShownWindows bounds how many windows a page shows of all schedules together: the next ones of each prize first.
const maxShownWindows = 96

// appendReleases appends what a page says of release schedules: in which windows how many units are released. The instants
// inside a window are nobody's business before the end.
func appendReleases(dst []byte, p *Page) []byte {
	if len(p.Releases) == 0 {
		return dst
	}
	dst = appendHex(append(dst, `,"release_hash":`...), p.ReleaseHash[:])
	dst = append(dst, `,"release":[`...)
	n := 0
	for i := range p.Releases {
		w := &p.Releases[i]
		if p.Version.Prizes[w.Prize].Unlisted {
			continue
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendWindow(dst, p.Version, w), '}')
		n++
	}
	return append(dst, ']')
}

// AppendWindow appends a window of a schedule, without the brace that closes it.
func AppendWindow(dst []byte, v *engine.Version, w *engine.ReleasedWindow) []byte {
	dst = AppendString(append(dst, `{"prize":`...), v.Prizes[w.Prize].ID)
	if w.Session >= 0 {
		dst = AppendString(append(dst, `,"session":`...), v.Sessions[w.Session].ID)
	}
	dst = AppendTime(append(dst, `,"starts_at":`...), w.From)
	dst = AppendTime(append(dst, `,"ends_at":`...), w.To)
	dst = appendInt(append(dst, `,"units":`...), int64(w.Units))
	if w.MakeUp {
		dst = append(dst, `,"after_pause":true`...)
	}
	return dst
}

// Windows returns the windows that a page shows at a time.
func Windows(c *engine.Campaign, now engine.UnixMilli) (all []engine.ReleasedWindow) {
	c.ReleaseWindows(now, func(w *engine.ReleasedWindow) bool {
		all = append(all, *w)
		return len(all) < maxShownWindows
	})
	return all
}
