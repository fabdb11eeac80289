@slow
Feature: Mode 2, a replay from scratch that deletes derived topics and Flink's state
  Deletions run word for word, with the real aws and kafka-topics.sh inside pods, and only after a
  person has confirmed them under a ticket.

  Scenario: The state is saved, deleted and made anew, but the topics lose their settings
    Given production as profile "S" has it
    And a market of 3000 events
    # Left alone, the topic operator puts lost settings back at its next full pass.
    And the rehearsal has topicResyncMs "3600000"
    And a person confirmed "REPLAY_FROM_SCRATCH" under the ticket "INC1234"
    When Mode 2 is rehearsed on the GitOps route
    Then every command of the document succeeded
    But the verdict is fail
    And the checks come out as
      | check                       | verdict |
      | trading-paused              | pass    |
      | job-suspended-before-change | pass    |
      | replay-group-fresh          | pass    |
      | live-group-untouched        | pass    |
      | inputs-and-topics-intact    | pass    |
      | backup-complete             | pass    |
      | state-gone                  | pass    |
      | only-derived-topics-deleted | pass    |
      | topics-recreated-alike      | fail    |
      | inputs-reread               | pass    |
      | lag-falls                   | pass    |
      | freshness                   | pass    |
      | outputs-complete            | pass    |
      | outputs-unique              | pass    |
    And the reason of "topics-recreated-alike" says "compression.type was lz4 and is not set"
    And every rule of the referee was kept
    And nothing is left running
