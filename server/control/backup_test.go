package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// fakeBackups writes some bytes and then fails, or not.
type fakeBackups struct {
	bytes int
	err   error
}

func (f *fakeBackups) Backup(_ context.Context, w io.Writer) error {
	for range f.bytes {
		if _, err := w.Write([]byte{'x'}); err != nil {
			return err
		}
	}
	return f.err
}

// A backup that cannot begin is a refusal; one that breaks off does not look like a whole one.
func TestBackup(t *testing.T) {
	w := newWorld(t)
	f := &fakeBackups{bytes: 5}
	w.plane.Backups = f
	get := func() (*http.Response, []byte, error) {
		t.Helper()
		answer, err := http.Get(w.server.URL + "/admin/v1/cluster/backup")
		if err != nil {
			return nil, nil, err
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		return answer, b, err
	}
	if answer, b, err := get(); err != nil || answer.StatusCode != 200 || string(b) != "xxxxx" || answer.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%v %q %v", answer, b, err)
	}
	f.err = errors.New("the disk is gone")
	if _, b, err := get(); err == nil {
		t.Errorf("cut off after %q, and nothing shows it", b)
	}
	f.bytes, f.err = 0, problem.New(problem.Conflict, "another one")
	if answer, b, err := get(); err != nil || answer.StatusCode != 409 {
		t.Errorf("%d %s", answer.StatusCode, b)
	}
	w.plane.Backups = nil
	if answer, b, err := get(); err != nil || answer.StatusCode != 404 {
		t.Errorf("%d %s", answer.StatusCode, b)
	}
}
