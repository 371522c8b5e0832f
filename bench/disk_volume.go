package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A volume is an ext4 file system in a sparse file, mounted in the daemon's own mount namespace: when the daemon ends, so does
// the mount. It is larger than what a node wants to be free (raftlog.DefaultMinFreeBytes), and takes no more than is written.
type volume struct {
	image, mount string
	daemon       *daemon
}

const (
	volumeBytes  = 1 << 30
	nearlyFull   = 480 << 20 // of the ballast: what is left is less than a node wants to be free
	volumeBlocks = "1G"
)

// noVolume says why there can be no volume here; empty when there can.
func noVolume() string {
	if os.Geteuid() != 0 {
		return "a volume of its own needs root"
	}
	for _, tool := range []string{"mkfs.ext4", "mount", "losetup", "fallocate", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "a volume of its own needs " + tool + " (packages e2fsprogs, mount, util-linux)"
		}
	}
	return ""
}

// newVolume makes a volume with a copy of a data directory.
func (m *diskMatrix) newVolume(template string) (*volume, error) {
	v := &volume{image: filepath.Join(m.home, "volume.img"), mount: filepath.Join(m.home, "volume")}
	if err := errors.Join(os.RemoveAll(v.image), os.MkdirAll(v.mount, 0o700)); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if err := tool("mkfs.ext4", "-q", "-m", "0", "-d", m.node(template).dir, v.image, volumeBlocks); err != nil {
		return nil, err
	}
	v.daemon = m.node("volume")
	v.daemon.command = append(v.inside(`exec "$@"`), m.o.Daemon...)
	return v, nil
}

// inside is a command in a mount namespace in which the volume is mounted; more arguments are the script's "$@".
func (v *volume) inside(script string) []string {
	return []string{"unshare", "-m", "sh", "-c", `mount -o loop "$0" "$1" && shift && ` + script, v.image, v.mount}
}

// tool runs a command of the system.
func tool(command ...string) error {
	if text, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("bench: %s: %w: %s", strings.Join(command, " "), err, text)
	}
	return nil
}

// settled waits until the mount of an ended daemon is gone: two at once would be two opinions about one file system.
func (v *volume) settled(ctx context.Context) error {
	for range 1000 {
		text, err := exec.Command("losetup", "-j", v.image).Output()
		if err == nil && len(text) == 0 {
			return nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("bench: the volume is still mounted 10 s after its daemon ended")
}

// ballast is a file in the running daemon's volume, as seen from outside.
func (v *volume) ballast() string {
	return fmt.Sprintf("/proc/%d/root%s/ballast", v.daemon.current().cmd.Process.Pid, v.mount)
}

// fill takes all of the space that is left, in ever smaller pieces.
func (v *volume) fill() error {
	path := v.ballast()
	for size := int64(volumeBytes); size >= 4<<10; size /= 2 {
		for n := 0; exec.Command("fallocate", "-l", fmt.Sprint(size), fmt.Sprintf("%s-%d-%d", path, size, n)).Run() == nil; n++ {
			if n > 1000 {
				return errors.New("bench: the volume does not get full")
			}
		}
	}
	return nil
}

// volume is the part of the matrix about a volume that runs full.
func (m *diskMatrix) volume(ctx context.Context) error {
	if why := noVolume(); why != "" {
		m.report.NotRun = append(m.report.NotRun, "volume: "+why)
		return nil
	}
	for _, row := range []func(context.Context, *volume) error{m.nearlyFull, m.full} {
		v, err := m.newVolume(templateKilled)
		if err != nil {
			return err
		}
		err = row(ctx, v)
		v.daemon.kill()
		if err = errors.Join(err, v.settled(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// nearlyFull: commands are refused while less is free than a node wants, with effect none; reads go on; and when there is room
// again, so do draws, without a restart.
func (m *diskMatrix) nearlyFull(ctx context.Context, v *volume) error {
	r := DiskRow{Part: DiskVolume, Target: "volume", Fault: "nearly full", Injected: fmt.Sprintf("%d MiB of ballast on a volume of %d MiB", nearlyFull>>20, volumeBytes>>20), Expected: []string{outcomeSheds}}
	if _, err := v.daemon.start(ctx); err != nil {
		return err
	}
	if err := tool("fallocate", "-l", fmt.Sprint(nearlyFull), v.ballast()); err != nil {
		return err
	}
	refused, err := m.drawUntil(ctx, func(err error) bool { return err != nil })
	if err != nil {
		return err
	}
	if was := (*refusal)(nil); errors.As(refused, &was) {
		r.Message = was.Error()
		if was.Code == "storage_low" {
			r.Observed = outcomeSheds
		}
	}
	judged := r
	if err := m.judgeReads(ctx, &judged); err != nil {
		return err
	}
	r.Unread, r.Lost, r.LostHow, r.Acked = judged.Unread, judged.Lost, judged.LostHow, judged.Acked
	if err := os.Remove(v.ballast()); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if still, err := m.drawUntil(ctx, func(err error) bool { return err == nil }); err != nil || still != nil {
		r.Then, r.Observed = fmt.Sprintf("does not go on when there is room: %v", still), outcomeHung
	} else {
		r.Then = "goes on when there is room, without a restart"
	}
	m.add(r)
	return ctx.Err()
}

// drawUntil draws until the answer is as wanted, for 10 s at most, and returns the last one.
func (m *diskMatrix) drawUntil(ctx context.Context, wanted func(error) bool) (answer, err error) {
	for i := range 100 {
		key := fmt.Sprintf("probe-%08x-%d", uint32(nonce()), i)
		_, answer = m.prover.control.do(ctx, http.MethodPost, m.prover.control.api+"/v1/campaigns/"+m.prover.campaign+"/draws",
			map[string]string{"Content-Type": "application/json", "Idempotency-Key": key}, []byte(`{"user":"probe"}`))
		if wanted(answer) {
			return answer, nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return answer, err
		}
	}
	return answer, nil
}

// judgeReads reads acknowledged draws by id, which needs no room.
func (m *diskMatrix) judgeReads(ctx context.Context, r *DiskRow) error {
	ids := m.prover.sample(2_000, m.o.Seed)
	r.Acked = uint64(len(ids))
	same, err := m.prover.compare(ctx, ids, true, func(_ uint32, how string) { r.LostHow = how })
	r.Lost = r.Acked - same
	return err
}

// full: the volume is filled within a moment, before a node that looks every two seconds can refuse. It must end rather than
// answer what it cannot write, say why when it is started on the full volume, and have lost nothing when there is room.
func (m *diskMatrix) full(ctx context.Context, v *volume) error {
	r := DiskRow{Part: DiskVolume, Target: "volume", Fault: "full under load", Injected: "every byte taken", Expected: []string{outcomeStopped, outcomeSheds}}
	if _, err := v.daemon.start(ctx); err != nil {
		return err
	}
	p, err := m.underLoad(ctx, v.daemon, &r, 10*time.Second, v.fill)
	if err != nil {
		return err
	}
	c := v.daemon.current()
	if r.Observed == outcomeNone {
		// What the log writes next may have been given its room before: then the node sees in time that there is little left.
		m.refusing(ctx, &r)
	}
	v.daemon.kill()
	if r.Observed == outcomeStopped {
		r.ended(c, outcomeStopped)
	}
	if err := v.settled(ctx); err != nil {
		return err
	}
	again := DiskRow{Part: DiskVolume, Target: "volume", Fault: "start while it is full", Injected: "no byte free", Expected: []string{outcomeRefused, outcomeSheds}}
	if err := m.startFull(ctx, v, &again); err != nil {
		return err
	}
	if err := tool(append(v.inside(`rm -f "$1"/ballast*`), v.mount)...); err != nil {
		return err
	}
	if err := v.settled(ctx); err != nil {
		return err
	}
	if err := m.afterwards(ctx, v.daemon, &r, p); err != nil {
		return err
	}
	m.add(r)
	m.add(again)
	return ctx.Err()
}

// startFull starts the daemon on a volume without a free byte.
func (m *diskMatrix) startFull(ctx context.Context, v *volume, r *DiskRow) error {
	short, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	_, err := v.daemon.start(short)
	c := v.daemon.current()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c != nil && c.gone():
		r.ended(c, outcomeRefused)
	case err != nil: // it runs, and is not ready
		r.Observed, r.Message = outcomeHung, lastWords(c.last.String())
		m.refusing(ctx, r)
	default:
		r.Observed = outcomeNone
	}
	v.daemon.kill()
	return v.settled(ctx)
}

// refusing notes whether a draw is refused because there is no room.
func (m *diskMatrix) refusing(ctx context.Context, r *DiskRow) {
	answer, _ := m.drawUntil(ctx, func(error) bool { return true })
	if answer == nil {
		return
	}
	r.Message = strings.Trim(lastWords(answer.Error())+" · "+r.Message, " ·")
	if was := (*refusal)(nil); errors.As(answer, &was) && was.Code == "storage_low" {
		r.Observed = outcomeSheds
	}
}
