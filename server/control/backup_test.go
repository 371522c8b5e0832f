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

// getBackup asks a control plane with these backups (nil: it has none) for one.
func getBackup(t *testing.T, backups Backups) (answer *http.Response, body []byte, err error) {
	t.Helper()
	w := newWorld(t)
	w.plane.Backups = backups
	answer, err = http.Get(w.server.URL + "/admin/v1/cluster/backup")
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer, body, err
}

// A backup that cannot begin is a refusal; one that breaks off does not look like a whole one.
func TestBackup(t *testing.T) {
	if answer, b, err := getBackup(t, &fakeBackups{bytes: 5}); err != nil || answer.StatusCode != 200 || string(b) != "xxxxx" || answer.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%v %q %v", answer, b, err)
	}
	if _, b, err := getBackup(t, &fakeBackups{bytes: 5, err: errors.New("the disk is gone")}); err == nil {
		t.Errorf("cut off after %q, and nothing shows it", b)
	}
	if answer, b, err := getBackup(t, &fakeBackups{err: problem.New(problem.Conflict, "another one")}); err != nil || answer.StatusCode != 409 {
		t.Errorf("%v %s %v", answer, b, err)
	}
	if answer, b, err := getBackup(t, nil); err != nil || answer.StatusCode != 404 {
		t.Errorf("%v %s %v", answer, b, err)
	}
}
