package user

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/disk"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/test/harness"
)

const (
	batchesVar = "RESTANTE_MONTH_BATCHES" // how many batches the pool has; four weeks are 8,064, and take 1.7 GB
	perBatch   = 8
	interval   = 5 * time.Minute
	poolGroup  = pool.Group("restante.pool")
	listGroup  = pool.Group("restante.manifest")
)

// The pool of some time at default settings is taken by somebody's first restante
// sync, and by a client that fetches the same articles and throws them away. The
// pool is made for it, and removed afterwards:
//
//	TMPDIR=/dev/shm RESTANTE_MONTH_BATCHES=8064 go test -run '^$' -bench Month -benchtime 1x -timeout 60m ./test/user
//
// sync-peak-MiB is the program's largest resident memory; opening the key file takes
// a quarter of a gigabyte of that, for as long as it takes (key-peak-MiB).
func BenchmarkSync_aMonth(b *testing.B) {
	batches := 64
	if text := os.Getenv(batchesVar); text != "" {
		var err error
		if batches, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	g := harness.Start(b, harness.Setting{Key: "epoch_length", Value: `"168h"`}, harness.Setting{Key: "batch_interval", Value: `"5m"`})
	g.Stop()
	fillPool(b, g, batches)
	g.Restart()
	u := harness.NewUser(b)
	u.Set(fmt.Sprintf("name = \"Alice\"\n[[gateway]]\ndomain = %q\naddress = %q\nsecurity = \"none\"\n", harness.Domain, g.Address))
	for b.Loop() {
		articles, octets, wall, cpu := fetchRaw(b, g.Address)
		b.ReportMetric(float64(articles), "articles")
		b.ReportMetric(float64(octets)/1e6, "raw-MB")
		b.ReportMetric(wall.Seconds(), "raw-s")
		b.ReportMetric(cpu.Seconds(), "raw-cpu-s")

		one := u.Copy(b)
		out, wall, used := measure(b, one, "sync", "--json")
		var r struct {
			Taken    int
			Octets   int64
			Troubles []any
		}
		if err := json.Unmarshal(out, &r); err != nil || len(r.Troubles) > 0 || r.Taken < articles || articles < batches*(perBatch+1) {
			b.Fatalf("%v\n%s", err, out)
		}
		b.ReportMetric(float64(r.Octets)/1e6, "sync-MB")
		b.ReportMetric(wall.Seconds(), "sync-s")
		b.ReportMetric(cpuOf(used).Seconds(), "sync-cpu-s")
		b.ReportMetric(float64(used.Maxrss)/1024, "sync-peak-MiB")
		out, wall, used = measure(b, one, "sync", "--json")
		b.ReportMetric(wall.Seconds(), "again-s")
		b.ReportMetric(cpuOf(used).Seconds(), "again-cpu-s")
		_, _, used = measure(b, one, "inbox")
		b.ReportMetric(float64(used.Maxrss)/1024, "key-peak-MiB")
		if info, err := os.Stat(filepath.Join(one.Home, "profiles", "default", "state", "mail.log")); err == nil {
			b.ReportMetric(float64(info.Size())/1024, "mail-KiB")
		}
		_ = out
	}
}

// measure runs the tool, which must go well.
func measure(b *testing.B, u *harness.User, args ...string) (out []byte, wall time.Duration, used *syscall.Rusage) {
	b.Helper()
	c := u.Command(context.Background(), args...)
	c.Stderr = os.Stderr
	start := time.Now()
	out, err := c.Output()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	used, _ = c.ProcessState.SysUsage().(*syscall.Rusage)
	return out, time.Since(start), used
}

func cpuOf(u *syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fetchRaw takes both groups as restante does, 32 articles ahead, and looks at
// nothing.
func fetchRaw(b *testing.B, address string) (articles int, octets int64, wall, cpu time.Duration) {
	b.Helper()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before) // it never fails for oneself
	start := time.Now()
	server := remote.Server{Address: address}
	conn, err := server.Connect(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, group := range []pool.Group{listGroup, poolGroup} {
		reply, err := conn.Ask("GROUP "+string(group), nntp.CodeGroup)
		if err != nil {
			b.Fatal(err)
		}
		var count, low, high int
		if _, err := fmt.Sscan(reply.Text, &count, &low, &high); err != nil {
			b.Fatal(err)
		}
		const window = 32
		for from := low; from <= high; from += window {
			conn.Extend(window << 20)
			last := min(from+window-1, high)
			for n := from; n <= last; n++ {
				if err := conn.W.Command(fmt.Sprintf("ARTICLE %d", n)); err != nil {
					b.Fatal(err)
				}
			}
			if err := conn.W.Flush(); err != nil {
				b.Fatal(err)
			}
			for n := from; n <= last; n++ {
				if reply, err := conn.Reply(); err != nil || reply.Code != nntp.CodeArticle {
					b.Fatal(reply, err)
				}
				block, err := conn.Block(1 << 20)
				if err != nil {
					b.Fatal(err)
				}
				articles, octets = articles+1, octets+int64(block.Len())
			}
		}
	}
	_ = conn.Quit()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	return articles, octets, time.Since(start), cpuOf(&after) - cpuOf(&before)
}

// fillPool files so many batches of cover up to now, as the gateway would have
// released them, and tells it that it has.
func fillPool(b *testing.B, g *harness.Gateway, batches int) {
	b.Helper()
	signer := signingKey(b, g)
	old(b, g)
	store, err := disk.Open(g.Data, disk.Options{ServerName: harness.Domain, Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	for _, group := range []pool.Group{poolGroup, listGroup} {
		if err := store.SetGroup(b.Context(), pool.GroupInfo{Name: group, Posting: pool.PostingDenied}); err != nil {
			b.Fatal(err)
		}
	}
	calendar := pool.Calendar{EpochLength: 7 * 24 * time.Hour, BatchInterval: interval, Retention: 4}
	last := calendar.Batch(time.Now())
	var previous [sha256.Size]byte
	file := func(a *article.Article, err error, group pool.Group, batch uint64) {
		var filed *pool.Article
		if err == nil {
			filed, err = a.File([]pool.Group{group}, calendar.Start(batch), calendar.EpochOf(batch))
		}
		if err == nil {
			_, err = store.Append(b.Context(), filed)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	for batch := last - uint64(batches) + 1; batch <= last; batch++ {
		m := note.Manifest{Domain: harness.Domain, Batch: batch, Previous: previous}
		for range perBatch {
			tag := blind.RandomTag()
			payload, err := envelope.Cover(tag.MessageID(harness.Domain))
			if err != nil {
				b.Fatal(err)
			}
			e := entry.Entry{Domain: harness.Domain, Group: poolGroup, Tag: tag, Date: calendar.Start(batch), Payload: payload}
			a, err := e.Article(signer)
			file(a, err, poolGroup, batch)
			m.Entries = append(m.Entries, note.ManifestEntry{Tag: tag.String(), Payload: sha256.Sum256(payload)})
		}
		previous = note.Hash(m.Text())
		signed, err := note.Sign(m.Text(), signer)
		if err != nil {
			b.Fatal(err)
		}
		a, err := entry.Note(harness.Domain, listGroup, entry.ManifestID(harness.Domain, batch), entry.ManifestSubject(batch), calendar.Start(batch), signed)
		file(a, err, listGroup, batch)
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	released := filepath.Join(g.Data, "queue", "released")
	if err := os.Remove(released); err != nil {
		b.Fatal(err)
	}
	log, _, err := record.Open(record.OS{}, released, 0, func(int64, []byte) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	if _, err := log.Add(binary.BigEndian.AppendUint64(nil, last), previous[:]); err != nil {
		b.Fatal(err)
	}
	if err := log.Commit(); err != nil {
		b.Fatal(err)
	}
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
}

// old makes a gateway that was started just now one that is four epochs old and has
// nothing in its store.
func old(b *testing.B, g *harness.Gateway) {
	b.Helper()
	path := filepath.Join(g.Data, "keys", "root")
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text))
	epoch, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%s %d %s\n", fields[0], epoch-4, fields[2]), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Remove(filepath.Join(g.Data, "keys", "directory")); err != nil {
		b.Fatal(err)
	}
	all, err := os.ReadDir(g.Data)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range all {
		if name := e.Name(); name != "keys" && name != "queue" {
			if err := os.RemoveAll(filepath.Join(g.Data, name)); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func signingKey(b *testing.B, g *harness.Gateway) *note.Signer {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(g.Data, "keys", "sign"))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text))
	secret, err := base64.RawURLEncoding.DecodeString(fields[len(fields)-1])
	if err != nil {
		b.Fatal(err)
	}
	signer, err := note.NewSigner(harness.Domain, secret)
	if err != nil {
		b.Fatal(err)
	}
	return signer
}
