package pages
import ("syscall";"testing";"runtime";"fmt";"os";"strconv")
func cpuNow() int64 { var u syscall.Rusage; syscall.Getrusage(1, &u); return u.Utime.Nano()+u.Stime.Nano() }
func TestCPU(t *testing.T) {
	if os.Getenv("CPU")=="" { return }
	runtime.LockOSThread()
	const rows = 4_000_000
	batch := 256
	if v, err := strconv.Atoi(os.Getenv("BATCH")); err == nil { batch = v }
	for _, s := range benchShapes {
		tab := NewArena(hugeAlloc()).NewTable(1, s.keyBytes, s.width)
		for i := range uint64(rows) { k := benchKey(i); tab.Insert(&k) }
		keys := make([]Key, 1<<20)
		for i := range keys { keys[i] = benchKey(mix(uint64(i)) % rows) }
		home, near := 0, 0
		tab.eachPage(func(_ uint32, p *page) bool { for s := range tab.geo.slots { if tab.geo.occupied(p, s) { h := tab.geo.head(p,s); if x:=s-homeOf(tab,h); x == 0 {home++; near++} else if x == 1 {near++} } }; return true })
		modes := []string{"F","T","TF","TT","TTF","FF","TFF"}
		best := make([]float64, len(modes))
		var sum byte
		for rep := 0; rep < 8; rep++ {
			for mi, mode := range modes {
				c := cpuNow()
				for b := 0; b+batch <= len(keys); b += batch {
					part := keys[b:b+batch]
					for _, m := range mode {
						if m == 'T' { for i := range part { sum ^= tab.Touch(&part[i]) } } else {
						for i := range part { r, _ := tab.Find(&part[i]); sum ^= tab.Payload(r)[0] } }
					}
				}
				d := float64(cpuNow()-c)/float64(len(keys))
				if best[mi]==0 || d<best[mi] { best[mi]=d }
			}
		}
		b, _ := os.ReadFile("/proc/self/smaps_rollup")
		_ = b
		fmt.Print(s, " home ", home*100/rows, "% near ", near*100/rows, "% ")
		for i := range modes { fmt.Printf("%s %.0f  ", modes[i], best[i]) }
		fmt.Println(sum)
	}
}
func homeOf(t *Table, h uint64) int { return home(h, t.geo.slots) }
