import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Cidr, parseAddress, parseCidr, range } from './address-text.ts'
import { judge } from './address.ts'

const rule = (address: string, ...except: string[]) => judge(address, except.map(range)).rule

test('judge() allows public unicast of both families', () => {
  for (const address of [
    '8.8.8.8',
    '1.1.1.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450:4001::200e',
  ]) {
    assert.equal(rule(address), 'global', address)
  }
})

test('judge() refuses every spelling but the plain one', () => {
  const odd = [
    '',
    ' 8.8.8.8',
    '8.8.8.8 ',
    '010.8.8.8',
    '0x8.8.8.8',
    '134744072',
    '8.8.2056',
    '8.8.8.8.',
    '8.8.8.256',
    '+8.8.8.8',
    '8.8.8.8/32',
    '[2606:4700::1]',
    '2606:4700::1%eth0',
    'fe80::1%1',
    '2606::4700::1',
    ':2606::1',
    '2606:4700:::1',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7',
    '1::2:3:4:5:6:7:8',
    '2606:4700::0x1',
    '2606:47000::1',
    '::1.2.3',
    '1.2.3.4::',
    '８.8.8.8',
    '8。8.8.8',
  ]
  for (const text of odd) assert.equal(rule(text), 'not-an-address', JSON.stringify(text))
})

test('judge() refuses both ends of every special-purpose range', () => {
  const edges = [
    '10.0.0.0',
    '10.255.255.255',
    '100.64.0.0',
    '100.127.255.255',
    '127.0.0.1',
    '127.255.255.255',
    '169.254.0.1',
    '172.16.0.0',
    '172.31.255.255',
    '192.0.0.1',
    '192.0.2.255',
    '192.31.196.1',
    '192.52.193.1',
    '192.88.99.1',
    '192.168.255.255',
    '192.175.48.1',
    '198.18.0.0',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '240.0.0.1',
    '::1',
    '100::1',
    '100:0:0:1::1',
    '2001:2::1',
    '2001:db8::1',
    '2620:4f:8000::1',
    '3ffe::1',
    '3fff:fff::1',
    '5f00::1',
    'fc00::1',
    'fdff::1',
    'fe80::1',
    'febf::1',
    'fec0::1',
  ]
  for (const address of edges) assert.equal(rule(address), 'special-purpose', address)
  for (const address of [
    '9.255.255.255',
    '11.0.0.0',
    '100.128.0.0',
    '172.32.0.0',
    '198.20.0.0',
    '2001:200::1',
  ]) {
    assert.equal(rule(address), 'global', address)
  }
})

test('judge() refuses IPv6 that IANA has not given out', () => {
  for (const address of ['4000::1', '1fff::1', '64:ff9a::1', '99::', 'c000::1']) {
    assert.equal(rule(address), 'outside-global-unicast', address)
  }
})

test('judge() judges the IPv4 address behind a mapped one', () => {
  assert.equal(rule('::ffff:127.0.0.1'), 'special-purpose')
  assert.equal(rule('::ffff:a9fe:a9fe'), 'never-allowed')
  const verdict = judge('::ffff:808:808', [])
  assert.ok(verdict.verdict === 'allow')
  assert.equal(verdict.address.text, '8.8.8.8')
  assert.equal(verdict.address.family, 4)
})

test('judge() refuses addresses that carry another one, whatever it is', () => {
  for (const address of [
    '2002:808:808::1',
    '2001:0:808:808::1',
    '64:ff9b::808:808',
    '64:ff9b:1::808:808',
    '::808:808',
    '::ffff:0:808:808',
  ]) {
    assert.equal(rule(address), 'carries-other-address', address)
    if (!address.startsWith('64:ff9b::'))
      assert.equal(rule(address, '::/0'), 'carries-other-address', address)
  }
  assert.equal(rule('2606:4700::5efe:7f00:1'), 'carries-other-address')
  assert.equal(rule('2606:4700::200:5efe:a00:1'), 'carries-other-address')
  assert.equal(rule('2606:4700::5efe:808:808'), 'global')
})

test('judge() looks inside NAT64 once the operator names it', () => {
  assert.equal(rule('64:ff9b::808:808', '64:ff9b::/96'), 'global')
  assert.equal(rule('64:ff9b::7f00:1', '64:ff9b::/96'), 'special-purpose')
  assert.equal(rule('64:ff9b::a9fe:a9fe', '64:ff9b::/96', '169.254.0.0/16'), 'never-allowed')
})

test('judge() opens what is excepted and nothing beside it', () => {
  assert.equal(rule('10.1.2.3', '10.1.0.0/16'), 'excepted')
  assert.equal(rule('10.2.2.3', '10.1.0.0/16'), 'special-purpose')
  assert.equal(rule('127.0.0.1', '127.0.0.1'), 'excepted')
  assert.equal(rule('::1', '127.0.0.0/8'), 'special-purpose')
  assert.equal(rule('fd12::1', 'fd12::/16'), 'excepted')
})

test('judge() keeps metadata, multicast and broadcast shut under any exception', () => {
  const shut = [
    '0.0.0.0',
    '::',
    '224.0.0.1',
    'ff02::1',
    '255.255.255.255',
    '169.254.169.254',
    '169.254.170.2',
    '169.254.170.23',
    '100.100.100.200',
    '192.0.0.192',
    '168.63.129.16',
    'fd00:ec2::254',
    'fd00:ec2::23',
    'fd20:ce::254',
    '::ffff:169.254.169.254',
  ]
  for (const address of shut) assert.equal(rule(address, '0.0.0.0/0', '::/0'), 'never-allowed', address)
})

test('judge() denies when it fails itself', () => {
  const broken = new Proxy<Cidr[]>([], { get: () => assert.fail('the list of exceptions is broken') })
  assert.deepEqual(judge('10.0.0.1', broken).rule, 'decider-failed')
  assert.equal(judge(undefined as unknown as string, []).verdict, 'deny')
})

test('a judged address knows its peer in either spelling, and no other', () => {
  const verdict = judge('8.8.8.8', [])
  assert.ok(verdict.verdict === 'allow')
  assert.ok(verdict.address.isPeer('8.8.8.8') && verdict.address.isPeer('::ffff:8.8.8.8'))
  assert.ok(
    !verdict.address.isPeer('8.8.4.4') && !verdict.address.isPeer(undefined) && !verdict.address.isPeer(''),
  )
})

test('parseCidr() refuses bits beyond the prefix and lengths beyond the family', () => {
  for (const text of [
    '10.0.0.1/8',
    '10.0.0.0/33',
    '::1/129',
    '10.0.0.0/08',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    'example.com',
  ]) {
    assert.equal(parseCidr(text), undefined, text)
  }
  assert.equal(parseCidr('10.0.0.1')?.bits, 32)
})

test('parseAddress() reads the forms of RFC 4291', () => {
  const same = ['2001:DB8::1', '2001:0db8:0:0:0:0:0:1', '2001:db8:0::1', '2001:db8::0.0.0.1']
  for (const text of same) assert.deepEqual(parseAddress(text), parseAddress('2001:db8::1'), text)
  assert.equal(parseAddress('::')?.length, 16)
  assert.equal(parseAddress('1:2:3:4:5:6:7::')?.length, 16)
})
