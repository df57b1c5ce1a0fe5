//! Keys of the view.

use std::time::Instant;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use fault_proxy_control::proxies::{FaultState, ProxyState, State};

use super::super::faults::label;
use super::super::prompt;
use super::{Action, App, Change, Dialog, Open};
use crate::args::FaultCommand;

impl App {
    /// Handles a key.
    pub(in crate::top) fn press(&mut self, key: KeyEvent, state: &State, now: Instant) -> Action {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return Action::Interrupt,
                KeyCode::Char('z') => return Action::Suspend,
                KeyCode::Char('l') => return Action::Redraw,
                _ => {}
            }
        }
        // Only lines of text have further keys of this kind. Ctrl-T must not switch a fault. Alt is ignored, because
        // Esc and a letter that is pressed quickly after it arrive as Alt and the letter.
        if key.modifiers.contains(KeyModifiers::CONTROL)
            && !matches!(self.dialog, Some(Dialog::Filter | Dialog::Add { .. }))
        {
            return Action::Nothing;
        }
        match self.dialog.take() {
            None => self.press_page(key, state, now),
            Some(Dialog::Help) => Action::Nothing,
            Some(Dialog::Filter) => {
                match key.code {
                    KeyCode::Enter | KeyCode::Up | KeyCode::Down => {}
                    KeyCode::Esc => self.filter.clear(),
                    _ => {
                        edit(&mut self.filter, key);
                        self.dialog = Some(Dialog::Filter);
                    }
                }
                Action::Nothing
            }
            Some(Dialog::Remove { proxy, fault, label }) => match key.code {
                KeyCode::Char('y') | KeyCode::Enter => Action::Change(Change {
                    command: FaultCommand::Remove { proxy, fault },
                    label: Some(label),
                }),
                _ => Action::Nothing,
            },
            Some(Dialog::Add { proxy, mut line, mut problem }) => {
                let mut action = Action::Nothing;
                match key.code {
                    KeyCode::Esc => return Action::Nothing,
                    KeyCode::Enter => match prompt::parse(&proxy, &line) {
                        Ok(command) => action = Action::Change(Change { command, label: None }),
                        Err(error) => problem = Some(error.to_string()),
                    },
                    _ => edit(&mut line, key),
                }
                self.dialog = Some(Dialog::Add { proxy, line, problem });
                action
            }
        }
    }

    fn press_page(&mut self, key: KeyEvent, state: &State, now: Instant) -> Action {
        match key.code {
            KeyCode::Char('q') => return Action::Leave,
            KeyCode::Char('?') => self.dialog = Some(Dialog::Help),
            KeyCode::Char('a') => {
                if let Some(proxy) = self.current_or_message(state, now) {
                    let proxy = proxy.name.clone();
                    self.dialog = Some(Dialog::Add { proxy, line: String::new(), problem: None });
                }
            }
            KeyCode::Char('t' | ' ') => return self.on_fault(state, now, switch),
            KeyCode::Char('d') | KeyCode::Delete => {
                let mut removed = None;
                self.on_fault(state, now, |proxy, fault, label| {
                    removed = Some(Dialog::Remove { proxy, fault: fault.name.clone(), label });
                    Action::Nothing
                });
                self.dialog = removed;
            }
            _ if self.open.is_some() => self.press_detail(key, state),
            _ => self.press_overview(key, state),
        }
        Action::Nothing
    }

    fn press_overview(&mut self, key: KeyEvent, state: &State) {
        let listed = self.listed(state);
        let place = self.place(&listed);
        let page = self.rows.saturating_sub(1).max(1);
        let to = match key.code {
            KeyCode::Up | KeyCode::Char('k') => place.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => place + 1,
            KeyCode::PageUp => place.saturating_sub(page),
            KeyCode::PageDown => place + page,
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => usize::MAX,
            KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => {
                if let Some(proxy) = listed.get(place) {
                    self.open = Some(Open::new(&proxy.name));
                }
                place
            }
            KeyCode::Esc => {
                self.filter.clear();
                return;
            }
            KeyCode::Char('/') => {
                self.dialog = Some(Dialog::Filter);
                return;
            }
            KeyCode::Char('s') => {
                self.key = self.key.next();
                return;
            }
            KeyCode::Char('r') => {
                self.is_reversed = !self.is_reversed;
                return;
            }
            _ => return,
        };
        self.place = to.min(listed.len().saturating_sub(1));
        self.selected = listed.get(self.place).map(|proxy| proxy.name.clone());
    }

    fn press_detail(&mut self, key: KeyEvent, state: &State) {
        let faults = self.opened(state).map(|proxy| proxy.faults.as_slice()).unwrap_or_default();
        let Some(open) = &mut self.open else { return };
        let place = open.place(faults.iter().map(|fault| &*fault.name)).unwrap_or_default();
        let to = match key.code {
            KeyCode::Esc | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => {
                self.open = None;
                return;
            }
            KeyCode::Up | KeyCode::Char('k') => place.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => place + 1,
            KeyCode::PageUp => return open.scroll_to(open.first.saturating_sub(self.rows)),
            KeyCode::PageDown => return open.scroll_to(open.first.saturating_add(self.rows)),
            KeyCode::Home | KeyCode::Char('g') => return open.scroll_to(0),
            KeyCode::End | KeyCode::Char('G') => return open.scroll_to(usize::MAX),
            _ => return,
        };
        open.place = to.min(faults.len().saturating_sub(1));
        open.fault = faults.get(open.place).map(|fault| fault.name.clone());
        open.follows = true;
    }

    /// Returns the open or selected proxy.
    fn current<'a>(&self, state: &'a State) -> Option<&'a ProxyState> {
        self.opened(state).or_else(|| {
            let listed = self.listed(state);
            listed.get(self.place(&listed)).copied()
        })
    }

    /// Returns the open or selected proxy. Shows a message if no proxy is selected.
    fn current_or_message<'a>(&mut self, state: &'a State, now: Instant) -> Option<&'a ProxyState> {
        let current = self.current(state);
        if current.is_none() {
            let problem = if state.proxies.is_empty() {
                "no proxies: create one with fault-proxy ctl create NAME --upstream HOST:PORT"
            } else {
                "no proxy matches the filter: Esc clears it"
            };
            self.on_done(Err(problem.to_owned()), now);
        }
        current
    }

    /// Acts on the selected fault, or on the only one of a proxy. Opens a proxy that has several.
    fn on_fault(
        &mut self,
        state: &State,
        now: Instant,
        act: impl FnOnce(String, &FaultState, String) -> Action,
    ) -> Action {
        let Some(proxy) = self.current_or_message(state, now) else { return Action::Nothing };
        let name = proxy.name.clone();
        let place = match (&self.open, proxy.faults.len()) {
            (_, 0) => {
                self.on_done(Err(format!("{name} has no faults: press a to add one")), now);
                return Action::Nothing;
            }
            (None, 1) => 0,
            (None, _) => {
                self.open = Some(Open::new(&name));
                self.on_done(Ok(format!("{name} has several faults: select one")), now);
                return Action::Nothing;
            }
            (Some(open), _) => open.place(proxy.faults.iter().map(|fault| &*fault.name)).unwrap_or_default(),
        };
        let fault = &proxy.faults[place];
        act(name, fault, label(fault, &proxy.faults))
    }
}

/// Returns the change that switches a fault off, or on again.
fn switch(proxy: String, fault: &FaultState, label: String) -> Action {
    let name = fault.name.clone();
    let command = if fault.enabled {
        FaultCommand::Disable { proxy, fault: name }
    } else {
        FaultCommand::Enable { proxy, fault: name }
    };
    Action::Change(Change { command, label: Some(label) })
}

/// Edits a line at its end.
fn edit(line: &mut String, key: KeyEvent) {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Backspace => drop(line.pop()),
        KeyCode::Char('u') if is_control => line.clear(),
        KeyCode::Char('w') if is_control => {
            let start = line.trim_end().rfind(' ').map_or(0, |space| space + 1);
            line.truncate(start);
        }
        KeyCode::Char(c) if !is_control && !c.is_control() => line.push(c),
        _ => {}
    }
}
