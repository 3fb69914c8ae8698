;;; story.el --- Alice and Bob write to each other with Gnus  -*- lexical-binding: t -*-

;; usage: emacs --batch -l story.el HOST PORT STREAM
;;
;; The environment has ALICE_HOME and BOB_HOME, folders that hold a file
;; .authinfo each.

(load (expand-file-name "gnus.el" (file-name-directory load-file-name)) nil t)

(defconst story-subject "Postlagernd für Ærøskøbing")
(defconst story-card "Ich sammle Briefe, die niemand abgeholt hat: ünzustellbar.")
(defconst story-reply "The violin is under the third stair.")
(defconst story-back "What did she play on it?")

(defun story-from-anonymous (buffer subject)
  (story-must (equal (story-field buffer "From") "Anonymous <nobody@gw.example>") "another author"
              (story-field buffer "From"))
  (story-must (equal (story-field buffer "Subject") subject) "another subject"
              (story-field buffer "Subject"))
  (story-must (equal (story-field buffer "Followup-To") "restante.reply") "no Followup-To"))

(defun story-alice () (story-become "Alice Liddell" "alice@home.example" (getenv "ALICE_HOME")))
(defun story-bob () (story-become "Bob Marley" "bob@work.example" (getenv "BOB_HOME")))

(defun story ()
  (story-alice)
  (let ((groups (story-groups)))
    (dolist (want '(("restante.cards" . "y") ("restante.reply" . "y") ("restante.inbox" . "y")
                    ("restante.sent" . "n") ("restante.pool" . "n") ("misc.test" . "y")))
      (story-must (member want groups) "not listed" want groups)))
  (story-post "restante.cards" story-subject story-card)

  (story-bob)
  (let ((card (story-await "restante.cards" story-card)))
    (story-from-anonymous card story-subject)
    (story-hides card "Alice" "home.example" "Gnus")
    (story-follow card story-reply))

  (story-alice)
  (let ((mail (story-await "restante.inbox" story-reply)))
    (story-from-anonymous mail (concat "Re: " story-subject))
    (story-hides mail "Bob" "work.example" "Gnus")
    (story-must (equal (story-field (story-await "restante.sent" story-card) "Restante-Destination")
                       "restante.cards")
                "no receipt")
    (story-follow (story-await "restante.inbox" story-reply) story-back))

  (story-bob)
  (let ((mail (story-await "restante.inbox" story-back)))
    (story-from-anonymous mail (concat "Re: " story-subject))
    (story-hides mail "Alice" "home.example" "Gnus"))
  (gnus-close-server gnus-select-method))

(story)
(princ "The end.")
;;; story.el ends here
