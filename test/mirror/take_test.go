package mirror

import (
	"testing"
	"time"

	"github.com/restante/restante/crypto/note"
	server "github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/disk"
)

// BenchmarkTake files entries of another gateway as a peer's connection does, but
// without one.
func BenchmarkTake(b *testing.B) {
	signer, err := note.NewSigner("a.example", note.GenerateSeed())
	if err != nil {
		b.Fatal(err)
	}
	p := &publisher{b: b, domain: "a.example", signer: signer}
	dir := b.TempDir()
	store, err := disk.Open(dir, disk.Options{ServerName: "b.example"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	for _, name := range shared()[:3] {
		if err := store.SetGroup(b.Context(), pool.GroupInfo{Name: pool.Group(name), Posting: pool.PostingDenied}); err != nil {
			b.Fatal(err)
		}
	}
	settings := server.Settings{Domain: "b.example", Data: dir, PoolGroup: "restante.pool", Known: []mirror.Known{{Domain: "a.example"}}, Batches: batch.Shape{Calendar: calendar()}}
	policy, err := settings.Policy()
	if err != nil {
		b.Fatal(err)
	}
	learn(b, policy.Book.Learn, signer)
	all, err := nntp.ParseWildmat("*")
	if err != nil {
		b.Fatal(err)
	}
	feed := peer.New(peer.Options{Domain: "b.example", Store: store, Gateways: policy}).Of(peer.Peer{Name: "a", Path: "a.example", Groups: all})
	defer feed.Close()
	newest := calendar().Batch(time.Now())
	var ids []pool.MessageID
	var texts [][]byte
	for i := range b.N {
		a, err := p.entry(calendar().Start(newest - uint64(i/perBatch))).Article(signer)
		if err != nil {
			b.Fatal(err)
		}
		ids, texts = append(ids, pool.MessageID(a.Get("Message-ID"))), append(texts, a.Text())
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := ownCPU()
	var waits []*peer.Taking
	for i, id := range ids {
		if waits = append(waits, feed.Take(b.Context(), id, texts[i])); len(waits) == 64 || i == len(ids)-1 {
			for _, taking := range waits {
				if err := taking.Wait(); err != nil {
					b.Fatal(err)
				}
			}
			waits = waits[:0]
		}
	}
	b.ReportMetric(micros(ownCPU()-before)/float64(b.N), "cpu-µs/entry")
	b.StopTimer()
	b.ReportMetric(micros(p.floor()), "floor-µs/entry")
}

// learn has a gateway known by a directory of its own.
func learn(b *testing.B, take func(string, []byte, time.Time) (bool, error), signer *note.Signer) {
	b.Helper()
	epoch := calendar().Epoch(time.Now())
	d := &note.Directory{
		Domain: "a.example", Serial: 1, EpochLength: calendar().EpochLength, BatchInterval: calendar().BatchInterval,
		BatchSize: perBatch, SlotsPerBatch: 8, PoolRetention: 4, TokenLife: 12,
		Sign: [32]byte(signer.Verifier().Public()),
		Seal: []note.EpochKey{{Epoch: epoch}, {Epoch: epoch + 1}}, Blind: []note.EpochKey{{Epoch: epoch}},
	}
	signed, err := note.Sign(d.Text(), signer)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := take("a.example", signed, time.Now()); err != nil {
		b.Fatal(err)
	}
}
