package inn

import (
	"fmt"
	"strings"
)

// innConf is inn.conf: every path into the test's folder, no wait for a first
// command, and as many connections from one machine as there are servers on it.
const innConf = `domain: DOMAIN
fromhost: DOMAIN
pathhost: DOMAIN
organization: "Nobody"
mta: "/bin/true %s"
mailcmd: /bin/true
hismethod: hisv6
ovmethod: OVERVIEW
enableoverview: true
pathnews: FOLDER
pathbin: BIN
pathetc: FOLDER/etc
pathfilter: FOLDER/etc/filter
pathdb: FOLDER/db
pathrun: FOLDER/run
pathlog: FOLDER/log
pathhttp: FOLDER/http
pathtmp: FOLDER/tmp
pathspool: FOLDER/spool
patharticles: FOLDER/spool/articles
pathoverview: FOLDER/spool/overview
pathoutgoing: FOLDER/spool/outgoing
pathincoming: FOLDER/spool/incoming
patharchive: FOLDER/spool/archive
runasuser: USER
runasgroup: GROUP
port: PORT
bindaddress: 127.0.0.1
initialtimeout: 300
remotetotal: -1
remotelimit: -1
nnrpdloadlimit: 0
doinnwatch: false
wireformat: true
`

// atOnceConf has innd write every article to the disk at once, so that nnrpd
// finds it. Without any files kept open innd 2.7.1 dies of a segmentation fault
// after some thousand articles.
const atOnceConf = `icdsynccount: 1
overcachesize: 16
`

// readersConf lets everybody read and post, and one account log in.
const readersConf = `auth "all" {
	hosts: "*"
	auth: "FOLDER/etc/login"
	default: "<anyone>"
}
access "all" {
	users: "*"
	newsgroups: "*"
	access: "RPAN"
}
`

const incomingConf = `streaming: true
max-connections: 50
peer ME {
	hostname: "127.0.0.1"
}
`

const storageConf = `method tradspool {
	newsgroups: *
	class: 0
}
`

// loginScript is told a name and a password by nnrpd, and says who that is.
// nnrpd gives it five seconds, so it starts no other programs.
const loginScript = `#!/bin/sh
cr=$(printf '\r')
while read -r key value; do
	key=${key%"$cr"} value=${value%"$cr"}
	case "$key" in
	ClientAuthname:) name=$value ;;
	ClientPassword:) password=$value ;;
	.*) break ;;
	esac
done
[ "$name" = 'NAME' ] && [ "$password" = 'PASSWORD' ] && printf 'User:%s\r\n' "$name"
`

// A Downstream is a server that INN feeds: its name in Path, and host:port. For
// one without an address it notes in a file what there is to send.
type Downstream struct{ Name, Address string }

// newsfeeds has innd hand all articles to innfeed.
func newsfeeds(to []Downstream) string {
	var out strings.Builder
	for i, d := range to {
		if d.Address == "" {
			fmt.Fprintf(&out, "%s:*:Tf,Wnm:\n", d.Name)
			continue
		}
		if i == 0 {
			out.WriteString("innfeed!:!*:Tc,Wnm*:BIN/innfeed\n")
		}
		fmt.Fprintf(&out, "%s:*:Tm:innfeed!\n", d.Name)
	}
	return out.String()
}

// innfeedConf says where innfeed finds the others, that it comes back soon, and that
// it keeps in memory what it has to send. By default what is beyond ten articles goes
// to files, and waits there.
func innfeedConf(to []Downstream) string {
	var out strings.Builder
	out.WriteString(`pid-file: FOLDER/run/innfeed.pid
log-file: FOLDER/log/innfeed.log
status-file: FOLDER/log/innfeed.status
backlog-directory: FOLDER/spool/innfeed
news-spool: FOLDER/spool/articles
initial-reconnect-time: 1
max-reconnect-time: 2
backlog-highwater: 1000
host-queue-highwater: 100000
backlog-rotate-period: 2
backlog-ckpt-period: 1
`)
	for _, d := range to {
		if d.Address == "" {
			continue
		}
		host, port, _ := strings.Cut(d.Address, ":")
		fmt.Fprintf(&out, "peer %s {\n\tip-name: %s\n\tport-number: %s\n}\n", d.Name, host, port)
	}
	return out.String()
}

// files returns the files of a new server, by their names in its folder.
func files(groups []Group, login Login, how setup, fill *strings.Replacer) map[string]string {
	var active, times, descriptions, subscriptions strings.Builder
	for _, name := range []string{"control", "control.cancel", "junk"} { // innd insists on them
		fmt.Fprintf(&active, "%s 0000000000 0000000001 n\n", name)
	}
	for _, g := range groups {
		fmt.Fprintf(&active, "%s 0000000000 0000000001 %c\n", g.Name, g.Posting)
		fmt.Fprintf(&times, "%s %d %s\n", g.Name, g.Created.Unix(), Domain)
		fmt.Fprintln(&subscriptions, g.Name)
		if g.Description != "" {
			fmt.Fprintf(&descriptions, "%s\t%s\n", g.Name, g.Description)
		}
	}
	out := map[string]string{
		"etc/inn.conf":      fill.Replace(innConf + how.conf),
		"etc/readers.conf":  fill.Replace(readersConf),
		"etc/incoming.conf": incomingConf,
		"etc/storage.conf":  storageConf,
		"etc/newsfeeds":     "ME:*::\n" + fill.Replace(newsfeeds(how.to)),
		"etc/innfeed.conf":  fill.Replace(innfeedConf(how.to)),
		"etc/expire.ctl":    "/remember/:11\n*:A:1:never:never\n",
		"etc/control.ctl":   "all:*:*:drop\n",
		"etc/moderators":    "",
		"etc/nnrpd.track":   "",
		"etc/subscriptions": subscriptions.String(),
		"etc/login":         strings.NewReplacer("NAME", login.Name, "PASSWORD", login.Password).Replace(loginScript),
		"db/active":         active.String(),
		"db/active.times":   times.String(),
		"db/newsgroups":     descriptions.String(),
		"db/history":        "",
	}
	for name, text := range how.files {
		out[name] = fill.Replace(text)
	}
	return out
}
