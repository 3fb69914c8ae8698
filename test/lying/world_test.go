package lying

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/tyler-smith/go-bip39"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.MainWithUsers(m)) }

const (
	domain = harness.Domain
	words  = "The walnut is under the stair."
	perRun = 8 // entries in a batch, one of which leaves every second
)

// How long an entry may be on its way for whoever is to notice that the message's
// batch is lacking, and for all others. What leaves while somebody takes the pool is
// lacking there, and must not be missed, however long that takes.
const (
	soon  = 30 * time.Second
	never = time.Hour
)

// A world is a true gateway, two networks to it, and a user for whom there is one
// message that she has not fetched yet. What she takes the pool from is the second
// one, so that for her it is another server.
type world struct {
	gateway *harness.Gateway
	home    *network // to the gateway, for directories and blinding
	pool    *network // to where the pool is taken from
	signer  *note.Signer

	seed  *identity.Seed
	fresh *harness.User // has settings, and has never asked anybody
	known *harness.User // has synchronised once, before the message was there
	batch uint64        // of the message
	mine  string        // the message's Message-ID in the pool
	had   int           // entries were in the pool when it was found
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{gateway: harness.Start(t, harness.Setting{Key: "batch_size", Value: fmt.Sprint(perRun)})}
	w.home, w.pool = newNetwork(t, w.gateway.Address), newNetwork(t, w.gateway.Address)
	w.signer = w.signingKey(t)
	w.fresh = harness.NewUser(t)
	w.fresh.Set(w.settings("", w.pool.address, never))
	w.quicken(t)
	w.known = w.fresh.Copy(t)
	w.known.Run("sync")
	var card struct{ Token string }
	if err := json.Unmarshal([]byte(w.known.Run("card", "--json")), &card); err != nil {
		t.Fatal(err)
	}
	r := w.gateway.Dial()
	r.Login("carol", harness.Passphrase(t))
	before := uint64(time.Now().Unix())
	r.Post("Newsgroups: restante.reply\nFrom: c@home.example\nSubject: hello\nReferences: " + card.Token + "\n\n" + words + "\n")
	w.find(t, before)
	return w
}

// quicken seals her key anew, so that guessing its passphrase takes no second and
// a quarter of a gigabyte: the program opens it a hundred times here.
func (w *world) quicken(t *testing.T) {
	t.Helper()
	octets, err := bip39.EntropyFromMnemonic(strings.Join(strings.Fields(w.fresh.Run("backup")), " "))
	if err != nil {
		t.Fatal(err)
	}
	if w.seed, err = identity.SeedFromBytes(octets); err != nil {
		t.Fatal(err)
	}
	passphrase, err := os.ReadFile(filepath.Join(w.fresh.Home, "passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := age.NewScryptRecipient(strings.TrimSpace(string(passphrase)))
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(10)
	var sealed bytes.Buffer
	out, err := age.Encrypt(&sealed, recipient)
	if err == nil {
		_, err = fmt.Fprintf(out, "restante-seed-v1 %s\n", base64.RawURLEncoding.EncodeToString(octets))
	}
	if err == nil {
		err = out.Close()
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(w.fresh.Home, "profiles", "default", "key.age"), sealed.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// settings is her restante.toml.
func (w *world) settings(gateway, fetch string, late time.Duration) string {
	return fmt.Sprintf(`
name = "Alice"
[[gateway]]
domain = %q
address = %q
security = "none"
%s
[fetch]
address = %q
security = "none"
late = %q
`, domain, w.home.address, gateway, fetch, late)
}

// find waits for the message, and for all before it to be due.
func (w *world) find(t *testing.T, from uint64) {
	t.Helper()
	const patience = 180 // batches of a second
	tags := w.tags(t, from, from+patience)
	r := w.gateway.Dial()
	for end := time.Now().Add(patience * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		all := r.Bodies("restante.pool")
		for id := range all {
			if batch := tags[id]; batch > 0 {
				w.batch, w.mine, w.had = batch, id, len(all)
				time.Sleep(time.Until(time.Unix(int64(batch), 0).Add(soon + 3*time.Second)))
				return
			}
		}
	}
	t.Fatal("the message does not come")
}

// tags are the names of her entries in batches, as the gateway could compute them if
// it knew her ID. A batch takes a second.
func (w *world) tags(t *testing.T, from, to uint64) map[string]uint64 {
	t.Helper()
	first, secret := w.secret(t, "root")
	root, err := blind.RootFromBytes(secret)
	if err != nil {
		t.Fatal(err)
	}
	calendar := pool.Calendar{EpochLength: w.epochLength(t), BatchInterval: time.Second}
	out := make(map[string]uint64)
	for batch := from; batch <= to; batch++ {
		key, err := root.Ahead(calendar.EpochOf(batch) - first).Key(domain)
		if err != nil {
			t.Fatal(err)
		}
		blinded, err := key.Evaluate(w.seed.Mailbox(0).ID())
		if err != nil {
			t.Fatal(err)
		}
		for slot := range uint16(8) {
			out[blinded.Tag(batch, slot).MessageID(domain)] = batch
		}
	}
	return out
}

// epochLength is the gateway's.
func (w *world) epochLength(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(w.gateway.Config)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^epoch_length *= *"(.+?)"`).FindSubmatch(text)
	if found == nil {
		t.Fatal("the configuration has no epoch_length")
	}
	length, err := time.ParseDuration(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return length
}

// secret reads a key file of the gateway's.
func (w *world) secret(t *testing.T, name string) (epoch uint64, secret []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.gateway.Data, "keys", name))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text))
	if _, err := fmt.Sscan(fields[len(fields)-2], &epoch); err != nil {
		t.Fatal(err)
	}
	if secret, err = base64.RawURLEncoding.DecodeString(fields[len(fields)-1]); err != nil {
		t.Fatal(err)
	}
	return epoch, secret
}

func (w *world) signingKey(t *testing.T) *note.Signer {
	t.Helper()
	_, secret := w.secret(t, "sign")
	signer, err := note.NewSigner(domain, secret)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// batchOf is the batch of an article's Date; 0 for none. A batch takes a second.
func batchOf(date string) uint64 {
	when, err := mail.ParseDate(date)
	if err != nil {
		return 0
	}
	return uint64(when.Unix())
}

// grow waits until the pool has so many entries more than when the message was found.
func (w *world) grow(t *testing.T, entries int) {
	t.Helper()
	for r := w.gateway.Dial(); len(r.Bodies("restante.pool")) < w.had+entries; {
		time.Sleep(time.Second)
	}
}
