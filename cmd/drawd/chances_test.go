package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// An import goes in parts; line numbers are those of the file, and a failure says what to do.
func TestImportGoesInParts(t *testing.T) {
	var parts []int
	fail := false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/admin/v1/campaigns/c/chances:grant" || r.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s %v", r.URL.Path, err)
		}
		n := strings.Count(string(body), "\n")
		parts = append(parts, n)
		if fail && len(parts) == 2 {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"code":"forbidden","effect":"none"}`)
			return
		}
		fmt.Fprintf(w, `{"lines":%d,"events":%d,"granted":%d,"already":0,"cut":{"late_event":1},"refused":{"bad_json":1},"errors":[{"line":3,"code":"bad_json","message":"no"}]}`, n, n-2, n-2)
	}))
	defer s.Close()
	a := &app{stderr: io.Discard}
	k := &client{base: s.URL, flag: "admin-url", timeout: 10 * time.Second}
	in := strings.Repeat("{}\n", 2*partLines+7)
	r, err := a.importChances(context.Background(), k, "/admin/v1/campaigns/c/chances:grant", strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(parts) != "[5000 5000 7]" || r.Lines != 10007 || r.Granted != 10001 || r.Cut["late_event"] != 3 || r.Refused["bad_json"] != 3 ||
		len(r.Errors) != 3 || r.Errors[1].Line != 5003 || r.Errors[2].Line != 10003 {
		t.Errorf("parts %v: %+v", parts, r)
	}
	parts, fail = nil, true
	_, err = a.importChances(context.Background(), k, "/admin/v1/campaigns/c/chances:grant", strings.NewReader(in))
	if err == nil || !strings.Contains(err.Error(), "lines 5001 to 10000") || !strings.Contains(err.Error(), "nothing is granted twice") {
		t.Error(err)
	}
}
